"""Matching both regimes: the fitted world is tuned until the same users give the random and the standard figures.

The rows that a world is fitted on were chosen by a ranker, so the fit alone cannot say how users meet random videos,
nor how far a ranker can lift them. Both gaps are closed by simulated moments (McFadden, Econometrica 1989): levels
are set so that `random` gives the real random figures (`user_models.fit`), and a few strengths so that `base`, the
real ranker of this package trained in the world, gives the real standard figures.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np

from simulator.experiment import Progress
from simulator.regimes import Regimes, measure_regimes, regime_spec
from user_models.data import open_folder
from user_models.fit import calibrate_random, fit_world
from user_models.store import save_world
from user_models.world import ACTIONS, World

STEPS: Final = 6
"""Simulated tests until the strengths are taken as found."""
CALIBRATION_USERS: Final = 8_000


@final
@dataclass(frozen=True)
class Lever:
    """One strength that moves one figure under `base` when the random figures are held.

    Attributes:
        figure: Which figure of the standard log it answers for.
        gain: Change of the strength per unit of log(real / simulated); under 1 step to be safe.
    """

    figure: str
    gain: float
