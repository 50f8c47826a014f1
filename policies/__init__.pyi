from .base import (
    Answer,
    Event,
    Feedback,
    History,
    LearningPolicy,
    Log,
    Noise,
    Observation,
    Policy,
    Slates,
    TrainablePolicy,
    UserTable,
    VideoTable,
    top_k,
)
from .registry import POLICIES, build_policy
from .testing import check_policy

__all__ = [
    "POLICIES",
    "Answer",
    "Event",
    "Feedback",
    "History",
    "LearningPolicy",
    "Log",
    "Noise",
    "Observation",
    "Policy",
    "Slates",
    "TrainablePolicy",
    "UserTable",
    "VideoTable",
    "build_policy",
    "check_policy",
    "top_k",
]
