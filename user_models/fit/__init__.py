"""From KuaiRand rows to a World: the fit, its held-out check, the generators, and the calibration."""

from user_models.fit.calibrate import RandomTargets, calibrate_random
from user_models.fit.fitting import FitResult, fit_world
from user_models.fit.heldout import HeldOut, Score

__all__ = [
    "FitResult",
    "HeldOut",
    "RandomTargets",
    "Score",
    "calibrate_random",
    "fit_world",
]
