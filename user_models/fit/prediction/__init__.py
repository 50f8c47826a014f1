"""Prediction of single rows: the predictor stored with a fitted world, and its check on held-out rows."""

from user_models.fit.prediction.exposures import Exposures, read_exposures
from user_models.fit.prediction.heldout import BucketDistance, HeldOut, check_heldout
from user_models.fit.prediction.predictor import Predictor, PredictorPlan, learn_predictor
from user_models.fit.prediction.store import load_predictor, save_predictor

__all__ = [
    "BucketDistance",
    "Exposures",
    "HeldOut",
    "Predictor",
    "PredictorPlan",
    "check_heldout",
    "learn_predictor",
    "load_predictor",
    "read_exposures",
    "save_predictor",
]
