"""A validation made up by hand: every section filled, every rate exactly right."""

import numpy as np

from simulator.reports.validation import (
    AnsweringEstimate,
    AnsweringRow,
    Compared,
    GroupRow,
    HeldOutSection,
    PresetRow,
    RecoveryReport,
    TwoSample,
    Validation,
    WatchTime,
)
from simulator.validation.targets import checks, gate
from user_models.targets import KUAIRAND

LABELS = ("click", "long_view", "like")


def right(value: float) -> Compared:
    """Simulated as it is."""
    return Compared.of(value, value)


def group_rows(groups, rates):
    return [
        GroupRow(regime=regime, group=group, rate=rate, views=100, compared=right(0.1 + 0.01 * at))
        for regime in ("random", "base")
        for at, group in enumerate(groups)
        for rate in rates
    ]


def held_out() -> HeldOutSection:
    return HeldOutSection(
        auc=dict.fromkeys(LABELS, 0.9),
        log_loss=dict.fromkeys(LABELS, 0.5),
        reference_log_loss=dict.fromkeys(LABELS, 0.51),
        watch_spearman=0.55,
        pit=[0.1] * 10,
        pit_max_deviation=0.001,
        ks_by_duration={"0-7 s": 0.02},
    )


def answering() -> list[AnsweringRow]:
    return [
        AnsweringRow(
            slope=slope,
            asked=5000,
            answer_rate=0.5,
            true=0.4,
            estimates={
                name: AnsweringEstimate(estimate=0.4 + bias, bias=bias, se=0.004)
                for name, bias in (("naive", 0.1 * slope), ("ips_oracle", 0.0))
            },
            predicted_sign=1 if slope else 0,
            as_predicted=True,
        )
        for slope in (0.0, 0.6)
    ]


def watch_time(bucket: str) -> WatchTime:
    shares = [0.5, 0.3, 0.2]
    edges = [0.0, 1.0, 10.0, 100.0]
    return WatchTime(
        bucket=bucket, edges_s=edges, simulated=shares, real=shares, simulated_views=50, real_views=60, ks=0.0
    )


def sample_validation() -> Validation:
    """Sound, and every target met."""
    users = {"click_logit_sd": 0.9, "like_logit_sd": 1.5, "hate_share_top_tenth": 0.69}
    coming = {"sessions_per_user_day": 4.845, "views_per_session": 78.6, "return_next_day": 0.957}
    easq = PresetRow(share_asked=0.005, share_answered=0.015, answered_per_view=4e-5, share_negative=0.3, answers=70)
    saqrec = PresetRow(share_asked=0.05, share_answered=0.4, answered_per_view=0.01, share_negative=0.288, answers=900)
    apart = TwoSample(auc=0.55, auc_by_fold=[0.55], rows_per_side=900, importances={"watch_s": 0.75, "hour": 0.25})
    measured = Validation(
        world="made up",
        data="rows",
        users=1000,
        seed=1,
        real_rows=2000,
        heldout=held_out(),
        regimes={
            regime: {rate: right(value) for rate, value in KUAIRAND.regimes()[regime].items()}
            for regime in ("random", "base")
        },
        by_group={
            "duration": group_rows(("0-15 s", "15-30 s"), ("click", "long_view", "complete")),
            "activity": group_rows(("full_active", "low_active"), ("click", "long_view")),
            "hour": group_rows([str(hour) for hour in range(24)], ("click",)),
        },
        watch_time=[watch_time(bucket) for bucket in ("0-7 s", "7-15 s", "15-18 s", "18-30 s", "30-60 s")],
        two_sample_auc=apart.auc,
        two_sample=apart,
        per_user={name: right(value) for name, value in users.items()},
        hate_concentration=np.sqrt(np.linspace(0, 1, 11)).tolist(),
        activity={name: right(value) for name, value in coming.items()},
        answering=answering(),
        recovery=RecoveryReport(parameters=100, share_within_two_se=0.95, missed=["watch.taste"]),
        presets={"easq": easq, "saqrec": saqrec},
    )
    faults = gate(measured)
    return measured.model_copy(update={"checks": checks(measured), "faults": faults, "sound": not faults})
