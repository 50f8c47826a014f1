"""From KuaiRand rows to a World: the fit, its held-out check, the generators, and the calibration."""

from user_models.fit.fitting import FitResult, check_world, fit_world
from user_models.fit.matching.random_exposure import RandomTargets, calibrate_random
from user_models.fit.prediction import HeldOut, check_heldout, load_predictor, save_predictor

__all__ = [
    "FitResult",
    "HeldOut",
    "RandomTargets",
    "calibrate_random",
    "check_heldout",
    "check_world",
    "fit_world",
    "load_predictor",
    "save_predictor",
]
