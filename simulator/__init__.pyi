from .analysis.analyse import analyse
from .analysis.decisions import DecisionRules
from .environment.env import FeedEnv
from .environment.vector_env import FeedVectorEnv
from .metrics import METRICS, Metric
from .reports.report import MetricRow, Report, load_report
from .run import run
from .spec.experiment import ArmSpec, ExperimentSpec, load_spec, shipped_specs

__all__ = [
    "METRICS",
    "ArmSpec",
    "DecisionRules",
    "ExperimentSpec",
    "FeedEnv",
    "FeedVectorEnv",
    "Metric",
    "MetricRow",
    "Report",
    "analyse",
    "load_report",
    "load_spec",
    "run",
    "shipped_specs",
]
