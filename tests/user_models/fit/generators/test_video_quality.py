"""How quality and bait weigh in satisfaction, from likes and hates of people who are not everyone."""

import numpy as np
import pytest
from scipy.special import expit

from user_models.fit.generators.video_quality import CLIP, LEAST, SCALE, SatisfactionWeights, satisfaction_weights
from user_models.world.tables import ACTIONS

LIKE, HATE = ACTIONS.index("like"), ACTIONS.index("hate")


def judged(known, n: int, pull: tuple[float, float], seed: int, choosy: float = 0.0):
    """Rows in which some views are liked or hated by quality and bait; the choosy judge bait more often."""
    rng = np.random.default_rng(seed)
    rows = known.rows.take(rng.integers(0, len(known.rows), n))
    good, lure = rng.normal(size=(2, n))
    chance = expit(-2 + choosy * lure)
    acts = rng.random(n) < chance
    hate = acts & (rng.random(n) < expit(-1 - pull[0] * good + pull[1] * lure))
    acted = np.zeros_like(rows.acted)
    acted[:, LIKE], acted[:, HATE] = acts & ~hate, hate
    return type(rows)(**{**vars(rows), "acted": acted}), np.stack([good, lure], axis=1), chance


def test_the_ratio_of_the_weights_is_found_again(known):
    rows, about, chance = judged(known, 20_000, (0.6, 1.2), seed=1)
    found = satisfaction_weights(rows, about, chance)
    assert isinstance(found, SatisfactionWeights)
    assert found.quality**2 + found.bait**2 == pytest.approx(SCALE, rel=1e-6)
    wanted = np.sqrt(SCALE / (0.6**2 + 1.2**2)) * np.array([0.6, 1.2])
    assert abs(found.quality - wanted[0]) < 3 * found.errors[0]
    assert abs(found.bait - wanted[1]) < 3 * found.errors[1]
    assert (found.likes, found.hates) == (rows.acted[:, LIKE].sum(), rows.acted[:, HATE].sum())


def test_errors_are_those_of_repetitions(known):
    found = [satisfaction_weights(*judged(known, 8_000, (0.8, 0.8), seed)) for seed in range(40)]
    spread = np.std([each.quality for each in found], ddof=1)
    told = np.mean([each.errors[0] for each in found])
    # the scale is set from the same rows, which takes about the half that both weights share out of the spread
    assert 0.5 * told < spread < 1.3 * told


def test_a_reading_without_bearing_keeps_a_least_weight(known):
    rows, about, chance = judged(known, 20_000, (-0.5, 1.0), seed=2)
    found = satisfaction_weights(rows, about, chance)
    assert found.quality == LEAST
    assert found.bait == pytest.approx(np.sqrt(SCALE), rel=0.05)


def test_few_hates_say_nothing(known):
    rows, about, chance = judged(known, 300, (0.5, 0.5), seed=3)
    assert satisfaction_weights(rows, about, chance) is None


def test_rare_judges_do_not_decide_alone(known):
    """A view with next to no chance to be judged counts as much as the rarest 5%, not a thousand times more."""
    rows, about, chance = judged(known, 20_000, (0.6, 1.2), seed=4)
    usual = satisfaction_weights(rows, about, chance)
    first = int(np.flatnonzero(rows.acted[:, HATE])[0])
    chance[first] = 1e-9
    again = satisfaction_weights(rows, about, chance)
    assert again.quality == pytest.approx(usual.quality, abs=0.02)
    assert 0 < CLIP < 0.5
