"""A world from a fitted model: tables, provenance and figures.

Axes: `users`; `videos`; `actions`.
"""

from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Float64

from user_models.fit.generators.activity import RETURN_INTERCEPT_SPREAD, Activity, activity
from user_models.fit.generators.latents import Terms, world_terms
from user_models.fit.generators.mixtures import (
    NormalMixture,
    Profiles,
    length_shares,
    mixture,
    profiles,
    topics,
    user_latents,
    video_latents,
)
from user_models.fit.generators.video_quality import (
    SatisfactionWeights,
    bait,
    chance_to_judge,
    quality,
    satisfaction_weights,
)
from user_models.fit.prediction.heldout import HeldOut
from user_models.fit.rows.batches import Batch, as_batch, log_nodes
from user_models.fit.rows.features import first_topic
from user_models.fit.rows.log_rows import LogReading
from user_models.fit.watch_model.model import WatchModel
from user_models.fit.watch_model.training import Trained
from user_models.targets import KUAIRAND, Targets
from user_models.world.parameters import DEFAULTS, Parameter
from user_models.world.tables import USER_LATENTS, Tables
from user_models.world.world import World

_PULL: Final = np.array([1.0, 1.0, 0.8, 1.0, -1.2, 0.8])
"""Pull of satisfaction on each action (assumed: no public data tell it from the pull of the match)."""


@final
@dataclass(frozen=True)
class Sources:
    """Inputs of a world file besides the fitted model.

    Attributes:
        reading: The rows.
        users: User table.
        videos: Video table.
        statistics: Video statistics.
        profile: Public columns whose combinations are the kinds of user.
        action_spread: Standard deviation over users of each action's effect.
        heldout: The check on later days.
        trained: How learning went.
        attribution: Credit that the data ask for.
        targets: Figures that the world is set to.
        assumptions: What the data lack, and what is assumed instead.
    """

    reading: LogReading
    users: pd.DataFrame
    videos: pd.DataFrame
    statistics: pd.DataFrame
    profile: tuple[str, ...]
    action_spread: Float64[np.ndarray, " actions"]
    heldout: HeldOut
    trained: Trained
    attribution: str
    targets: Targets
    assumptions: tuple[str, ...]


def assemble(model: WatchModel, name: str, sources: Sources) -> World:
    """The world of a fitted model, its levels still those of the standard log."""
    rows = sources.reading.rows
    log_duration = _log_durations(sources.videos)
    batch = as_batch(rows)
    terms = world_terms(model, batch, log_duration)
    kinds = profiles(sources.users, sources.profile)
    views = np.bincount(rows.user[~rows.random], minlength=len(sources.users))
    coming = activity(views, kinds.kinds.kind, kinds.kinds.share, sources.targets)
    hourly, weekday = np.array(sources.targets.hourly_exposures), np.array(sources.targets.weekday_exposures)
    hour_share = hourly / hourly.sum()
    hour = terms.unit * model.hour.detach().double().numpy()
    crowd = _users(terms, sources, kinds, coming)
    read = _read(model, batch, terms, sources, log_duration)
    catalogue = _videos(terms, sources, log_duration, read)
    tables = {
        "node_log_duration": log_nodes(),
        "stage": terms.stage,
        "slope": np.tile(terms.slope, (len(log_nodes()), 1)),
        "hour_effect": hour - hour_share @ hour,
        "hour_share": hour_share,
        "weekday": weekday / weekday.mean(),
        "action_base": terms.action_base,
        "action_stage": model.action_stage.detach().numpy(),
        "action_satisfaction": _PULL,
        "action_match": np.zeros(len(_PULL)),
        "return_logit": coming.return_logit,
        "profile_code": kinds.code,
        "profile_share": kinds.kinds.share,
        "user_mean": crowd.mean,
        "user_root": crowd.root,
        "appeal_scale": np.ones(len(kinds.code)),
        "tag_share": catalogue.share,
        "length_share": catalogue.lengths,
        "video_mean": catalogue.latents.mean,
        "video_root": catalogue.latents.root,
    }
    return World(
        name=name,
        tables=Tables(**{key: _stored(key, value) for key, value in tables.items()}),
        columns=kinds.columns,
        parameters={**DEFAULTS, "watch.momentum": _momentum(model, batch, terms.unit), **_satisfaction(read.weights)},
        provenance=_provenance(sources),
        attribution=sources.attribution,
        figures=_figures(terms, sources),
        targets=sources.targets,
        assumptions=sources.assumptions,
    )


def _stored(name: str, values: np.ndarray) -> np.ndarray:
    """A table in the type that worlds keep."""
    shares = dict.fromkeys(("hour_share", "profile_share", "tag_share", "length_share"), np.float64)
    return np.ascontiguousarray(values, {**shares, "profile_code": np.int32}.get(name, np.float32))


def _log_durations(videos: pd.DataFrame) -> Float64[np.ndarray, " videos"]:
    """Log durations; NaN where missing."""
    seconds = videos["duration_s"]
    return np.log(seconds.where(seconds > 0).to_numpy(np.float64))


def _users(terms: Terms, sources: Sources, kinds: Profiles, coming: Activity) -> NormalMixture:
    """Generator of users."""
    crowd = mixture(user_latents(terms.users, sources.action_spread), kinds.kinds)
    mean, root = crowd.mean.copy(), crowd.root.copy()
    spreads = {
        "answering": (0.0, 1.0),
        "log_sessions": (coming.log_sessions_mean, coming.log_sessions_spread),
        "log_views": (coming.log_views_mean, coming.log_views_spread),
        "return_intercept": (0.0, RETURN_INTERCEPT_SPREAD),
    }
    for latent, (centre, spread) in spreads.items():
        at = USER_LATENTS.index(latent)
        mean[:, at], root[at, at] = centre, spread
    return NormalMixture(mean, root)


@final
@dataclass(frozen=True)
class _Read:
    """Quality and bait of videos, and their weights in satisfaction.

    Attributes:
        quality: Of each video.
        bait: Of each video.
        weights: In satisfaction; None where too few people liked or hated anything.
    """

    quality: Float64[np.ndarray, " videos"]
    bait: Float64[np.ndarray, " videos"]
    weights: SatisfactionWeights | None


def _read(
    model: WatchModel, batch: Batch, terms: Terms, sources: Sources, log_duration: Float64[np.ndarray, " videos"]
) -> _Read:
    """Quality and bait from the statistics, and their weights from who liked and who hated."""
    statistics = sources.statistics.set_index("item").reindex(sources.videos["item"])
    good = quality(statistics, terms.videos.appeal, log_duration)
    lure = bait(statistics, terms.videos.appeal, log_duration)
    rows = sources.reading.rows
    controls = (terms.videos.appeal[rows.video], terms.users.appeal[rows.user], rows.log_duration.astype(np.float64))
    known = np.stack([good[rows.video], lure[rows.video], *controls], axis=1)
    return _Read(good, lure, satisfaction_weights(rows, known, chance_to_judge(model, batch)))


def _satisfaction(weights: SatisfactionWeights | None) -> dict[str, Parameter]:
    """Return the weights of quality and bait as parameters; the assumed ones if the rows are too few."""
    if weights is None:
        return {}
    source = (
        f"{weights.likes:,} views with a like against {weights.hates:,} with a hate, weighted by the inverse of the"
        " chance to get either (a reading after SAQRec); their ratio is fitted, their common scale assumed"
    )
    found = {"satisfaction.quality": weights.quality, "satisfaction.bait": weights.bait}
    return {
        name: DEFAULTS[name].model_copy(
            update={"value": value, "status": "fitted", "source": source, "error": error, "low": None, "high": None}
        )
        for (name, value), error in zip(found.items(), weights.errors, strict=True)
    }


@final
@dataclass(frozen=True)
class _Catalogue:
    """Generator of videos.

    Attributes:
        share: Of each topic.
        lengths: Their distribution by topic.
        latents: Within topics.
    """

    share: Float64[np.ndarray, " tags"]
    lengths: Float64[np.ndarray, "tags lengths"]
    latents: NormalMixture


def _videos(terms: Terms, sources: Sources, log_duration: Float64[np.ndarray, " videos"], read: _Read) -> _Catalogue:
    """Build the generator of videos; satisfaction's part is taken out of the effects on actions."""
    known = {**DEFAULTS, **_satisfaction(read.weights)}
    pleasing = known["satisfaction.quality"].value * read.quality - known["satisfaction.bait"].value * read.bait
    alone = replace(terms.videos, action=terms.videos.action - pleasing[:, None] * _PULL)
    kinds = topics(first_topic(sources.videos), np.isfinite(log_duration))
    lengths = length_shares(log_duration, kinds, log_nodes())
    return _Catalogue(kinds.share, lengths, mixture(video_latents(alone, log_duration, read.quality, read.bait), kinds))


def _momentum(model: WatchModel, batch: Batch, unit: float) -> Parameter:
    """Momentum on the main feed, from views with a view before them."""
    n = int(((batch.before != 0) & (batch.tab == 0)).sum())
    return DEFAULTS["watch.momentum"].model_copy(
        update={
            "value": unit * float(model.momentum[0].detach()),
            "status": "fitted",
            "source": f"{n:,} views of the main feed with a view before them in the session",
            "low": None,
            "high": None,
        }
    )


def _figures(terms: Terms, sources: Sources) -> dict[str, float]:
    """Collect the figures that the fit measured, by name."""
    reading, trained = sources.reading, sources.trained
    counts = {
        "rows.read": float(reading.n_read),
        "rows.duplicates_dropped": float(reading.n_duplicates),
        "rows.without_length_dropped": float(reading.n_lengthless),
        "rows.fitted": float(len(reading.rows)),
        "rows.random": float(reading.n_random),
    }
    learning = {"fit.epochs": float(trained.epochs), "fit.validation_loss": trained.validation_loss}
    return {**counts, **learning, "fit.match_spread": terms.match_spread, **sources.heldout.figures()}


def _level(n_random: int, targets: Targets) -> str:
    """Describe the source of the levels."""
    if n_random:
        return f"level fitted: {n_random:,} rows of the random log; the ranker's selection has terms of its own"
    if targets == KUAIRAND:
        published = "the published random exposures (KuaiRand-Pure, 22 April to 8 May)"
        return f"no random log in the folder: level set to {published}"
    return f"no random exposures in the log: level set by {targets.sources.get('random', 'known totals')}"


def _provenance(sources: Sources) -> dict[str, str]:
    """Describe the source of each table."""
    n_random = sources.reading.n_random
    n = f"{len(sources.reading.rows) - n_random:,} rows of the standard log"
    fitted, random = f"fitted: {n}", _level(n_random, sources.targets)
    known = sources.targets == KUAIRAND
    activity_source = "published (KuaiRand-27K)" if known else "of the targets"
    users = (
        f"fitted: {n}; spread of appeal and activity {activity_source} but for who is more active; loyalty and"
        " answering assumed"
    )
    told = {
        "hour_share": "published: exposures by hour, KuaiRand-27K, 31 days",
        "weekday": "published: exposures by day, KuaiRand-27K, 8 to 28 April",
        "return_logit": "published: gaps between active days, KuaiRand-1K (26,637 returns)",
    }
    if not known:
        names = {"hour_share": "hourly_exposures", "weekday": "weekday_exposures", "return_logit": "return_gap"}
        told = {table: sources.targets.sources.get(name, "known totals") for table, name in names.items()}
    reading = (
        "quality (likes, follows, shares, collects per play) and bait (reduce-similar, reports, starts without a"
        " finish) are readings"
    )
    return {
        "node_log_duration": "assumed: lengths at which the pass logits are tabulated",
        "stage": f"{fitted}, main feed; {random}",
        "slope": fitted,
        "hour_effect": fitted,
        "hour_share": told["hour_share"],
        "weekday": told["weekday"],
        "action_base": f"{fitted}; {random}",
        "action_stage": fitted,
        "action_satisfaction": "assumed: no public data tell it from the pull of the match",
        "action_match": "assumed: none to begin with",
        "return_logit": told["return_logit"],
        "profile_code": f"fitted: public columns of {len(sources.users):,} users",
        "profile_share": f"fitted: public columns of {len(sources.users):,} users",
        "user_mean": users,
        "user_root": users,
        "appeal_scale": "assumed: the same for all profiles to begin with",
        "tag_share": f"fitted: first topic of {len(sources.videos):,} videos",
        "length_share": f"fitted: lengths of {len(sources.videos):,} videos by first topic, a little smoothed",
        "video_mean": f"fitted: {n} and the statistics of {len(sources.videos):,} videos; {reading}",
        "video_root": f"fitted: {n} and the statistics of {len(sources.videos):,} videos; {reading}",
    }
