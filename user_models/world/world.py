"""A world: the generators of users and videos and the parameters of every user model, in one folder.

Axes: as in `user_models.world.tables`; `users`; `videos`; `d` taste dimensions.
"""

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from scipy.special import ndtr

from user_models.dynamics.kernel import fill_latents, fill_uniforms
from user_models.dynamics.state import KernelParameters, Users, Videos
from user_models.dynamics.watch_thresholds import threshold_seconds
from user_models.targets import KUAIRAND, Targets
from user_models.world.parameters import DEFAULTS, Parameter, Status
from user_models.world.tables import ACTIONS, USER_LATENTS, VIDEO_LATENTS, PublicColumn, Tables


@final
@dataclass(frozen=True)
class Population:
    """Users drawn from a world: latents for the kernels, and the public codes that a platform has."""

    latents: Users
    profile_code: Int32[np.ndarray, "users columns"]


@final
@dataclass(frozen=True)
class ProfileMeans:
    """Mean effects of users with the same profile.

    Attributes:
        appeal: Mean of their profile.
        action: Mean effects on actions of users with the same profile, appeal and taste.
        action_spread: Standard deviation of those effects among such users.
    """

    appeal: Float32[np.ndarray, " users"]
    action: Float32[np.ndarray, "users actions"]
    action_spread: Float32[np.ndarray, " actions"]


@final
@dataclass(frozen=True)
class Catalogue:
    """Videos drawn from a world: latents for the kernels, and the public tag."""

    latents: Videos
    tag: Int32[np.ndarray, " videos"]


@final
@dataclass(frozen=True)
class World:
    """Fitted user model: users, videos and the parameters of their behaviour.

    Attributes:
        name: Shown on reports.
        tables: Array-valued parameters.
        columns: Public user columns, one per column of `tables.profile_code`.
        parameters: Scalars by name; exactly the names of `DEFAULTS`.
        provenance: For each table, one line: fitted, published or assumed, and from what.
        attribution: Credit that the source data ask for.
        figures: What the fit measured, such as held-out AUCs, by name.
        targets: Figures that it is set to.
        assumptions: What the data lacked, and what was assumed instead; empty for worlds fitted earlier.
    """

    name: str
    tables: Tables
    columns: tuple[PublicColumn, ...]
    parameters: dict[str, Parameter] = field(default_factory=lambda: dict(DEFAULTS))
    provenance: dict[str, str] = field(default_factory=dict[str, str])
    attribution: str = ""
    figures: dict[str, float] = field(default_factory=dict[str, float])
    targets: Targets = KUAIRAND
    assumptions: tuple[str, ...] = ()

    def value(self, name: str) -> float:
        """Return a scalar by its name, such as `questionnaire.ask`."""
        return self.parameters[name].value

    @property
    def asks_strongly(self) -> bool:
        """Return whether some questionnaires are shown in the strong form."""
        return self.value("questionnaire.strong_share") > 0

    def with_values(self, values: dict[str, float], status: Status = "assumed", source: str = "set by hand") -> "World":
        """Copy the world with some scalars set.

        Args:
            values: By name.
            status: Their provenance.
            source: What they are from.

        Raises:
            KeyError: A name that is no parameter.
        """
        unknown = sorted(set(values) - set(self.parameters))
        if unknown:
            raise KeyError(unknown[0])
        changed = {
            name: self.parameters[name].model_copy(update={"value": value, "status": status, "source": source})
            for name, value in values.items()
        }
        return replace(self, parameters={**self.parameters, **changed})

    def with_tables(self, **tables: np.ndarray) -> "World":
        """Return a copy of the world with some tables replaced."""
        return replace(self, tables=replace(self.tables, **tables))

    def with_scaled_latent(self, latent: str, factor: float) -> "World":
        """Copy the world with one latent of its users, named as in `USER_LATENTS`, multiplied by a factor."""
        at = USER_LATENTS.index(latent)
        mean, root = self.tables.user_mean.copy(), self.tables.user_root.copy()
        mean[:, at] *= np.float32(factor)
        root[at] *= np.float32(factor)
        return self.with_tables(user_mean=mean, user_root=root)

    def draw_users(self, ids: Int64[np.ndarray, " users"], seed: int) -> Population:
        """Draw users by id: user `i` does not depend on the other ids.

        Args:
            ids: Any non-negative ids, in any order.
            seed: Names the crowd.
        """
        t = self.tables
        profile, latent = self._user_latents(ids, seed)
        at = {name: latent[:, j] for j, name in enumerate(USER_LATENTS)}
        n_actions, mean = len(ACTIONS), t.user_mean[profile, 0]
        users = Users(
            appeal=mean + t.appeal_scale[profile] * (at["appeal"] - mean),
            taste=np.ascontiguousarray(latent[:, len(USER_LATENTS) :]),
            action=np.ascontiguousarray(latent[:, 1 : 1 + n_actions]),
            answering=at["answering"] * np.float32(self.value("questionnaire.answer_spread")),
            sessions_per_day=1 + np.exp(at["log_sessions"]),
            views_per_session=np.exp(at["log_views"]),
            return_intercept=at["return_intercept"].copy(),
        )
        return Population(users, t.profile_code[profile])

    def profile_means(self, ids: Int64[np.ndarray, " users"], seed: int) -> ProfileMeans:
        """Return the profile means of the users that `draw_users` draws."""
        profile, latent = self._user_latents(ids, seed)
        mean, root = self.tables.user_mean, self.tables.user_root.astype(np.float64)
        spread = root @ root.T
        acts = np.arange(1, 1 + len(ACTIONS))
        known = np.array([0, *range(len(USER_LATENTS), len(root))])
        weight = np.linalg.solve(spread[np.ix_(known, known)], spread[np.ix_(known, acts)])
        left = spread[acts, acts] - np.einsum("ka,ka->a", weight, spread[np.ix_(known, acts)])
        action = mean[profile][:, acts] + (latent - mean[profile])[:, known] @ weight
        return ProfileMeans(
            mean[profile, 0], action.astype(np.float32), np.sqrt(np.maximum(left, 0)).astype(np.float32)
        )

    def _user_latents(
        self, ids: Int64[np.ndarray, " users"], seed: int
    ) -> tuple[Int64[np.ndarray, " users"], Float32[np.ndarray, "users u"]]:
        """Profiles and latents of users."""
        t = self.tables
        profile = _choose(t.profile_share, np.uint64(seed) ^ np.uint64(0x5EED01), ids)
        return profile, _latents(np.uint64(seed) ^ np.uint64(0x5EED02), ids, profile, t.user_mean, t.user_root)

    def draw_videos(self, n: int, seed: int) -> Catalogue:
        """Draw videos 0 to n - 1: video `i` does not depend on `n`."""
        t = self.tables
        ids = np.arange(n, dtype=np.int64)
        tag = _choose(t.tag_share, np.uint64(seed) ^ np.uint64(0x5EED03), ids)
        latent = _latents(np.uint64(seed) ^ np.uint64(0x5EED04), ids, tag, t.video_mean, t.video_root)
        at = {name: latent[:, j].copy() for j, name in enumerate(VIDEO_LATENTS)}
        first = VIDEO_LATENTS.index(ACTIONS[0])
        duration_s = self._lengths(tag, (at["log_duration"] - t.video_mean[tag, 0]) / t.video_root[0, 0])
        videos = Videos(
            duration_s=duration_s,
            thresholds_s=threshold_seconds(duration_s),
            stop_odds=self.stop_odds(duration_s),
            slope=self.slopes(duration_s),
            appeal=at["appeal"] + np.float32(self.value("watch.bait")) * at["bait"],
            topic=np.ascontiguousarray(latent[:, len(VIDEO_LATENTS) :]),
            quality=at["quality"],
            bait=at["bait"],
            action=np.ascontiguousarray(latent[:, first : first + len(ACTIONS)]),
        )
        return Catalogue(videos, tag.astype(np.int32))

    def _lengths(
        self, tag: Int64[np.ndarray, " videos"], score: Float32[np.ndarray, " videos"]
    ) -> Float32[np.ndarray, " videos"]:
        """Seconds of videos by their normal score among those of their tag."""
        nodes, share = self.tables.node_log_duration.astype(np.float64), self.tables.length_share
        edges = np.linspace(nodes[0], nodes[-1], share.shape[1] + 1)
        rank, log_s = ndtr(score.astype(np.float64)), np.empty(len(tag))
        for kind in np.unique(tag):
            below = np.concatenate([[0.0], np.cumsum(share[kind])])
            log_s[tag == kind] = np.interp(rank[tag == kind], below / below[-1], edges)
        return np.exp(log_s).astype(np.float32)

    def stop_odds(self, duration_s: Float32[np.ndarray, " videos"]) -> Float32[np.ndarray, "videos thresholds"]:
        """Odds against passing each threshold at appeal 0, interpolated between durations; 0 where it has no length."""
        stage = self._at(self.tables.stage, duration_s)
        lengthless = np.diff(threshold_seconds(duration_s), axis=1, prepend=-1) <= 0
        return np.where(lengthless, 0, np.exp(-stage)).astype(np.float32)

    def slopes(self, duration_s: Float32[np.ndarray, " videos"]) -> Float32[np.ndarray, "videos segments"]:
        """Pull of appeal per segment, interpolated between durations."""
        return self._at(self.tables.slope, duration_s).astype(np.float32)

    def _at(
        self, table: Float32[np.ndarray, "nodes n"], duration_s: Float32[np.ndarray, " videos"]
    ) -> Float32[np.ndarray, "videos n"]:
        """A table interpolated between its nodes of duration."""
        nodes = self.tables.node_log_duration
        x = np.clip(np.log(duration_s), nodes[0], nodes[-1])
        right = np.clip(np.searchsorted(nodes, x), 1, len(nodes) - 1)
        part = ((x - nodes[right - 1]) / (nodes[right] - nodes[right - 1]))[:, None]
        return (1 - part) * table[right - 1] + part * table[right]

    def rules(self, views_scale: float) -> KernelParameters:
        """The parameters in the form the kernels read.

        Args:
            views_scale: Share of real activity that is simulated, in (0, 1].
        """
        t, value = self.tables, self.value
        views_per_day = self.targets.views_per_day * views_scale
        return KernelParameters(
            hour_effect=t.hour_effect,
            taste=value("watch.taste"),
            momentum=value("watch.momentum"),
            satiation=value("satiation.strength"),
            seen_step=1 / value("satiation.memory_views"),
            seen_kept=value("satiation.kept"),
            drift_step=value("drift.gain") / views_per_day,
            drift_kept=value("drift.kept"),
            drift_noise=value("drift.noise"),
            habituation=value("habituation.strength"),
            wary_step=min(1.0, 1 / (value("habituation.memory_days") * views_per_day)),
            action_base=t.action_base,
            action_stage=t.action_stage,
            action_satisfaction=t.action_satisfaction,
            action_match=t.action_match,
            weight_taste=value("satisfaction.taste"),
            weight_quality=value("satisfaction.quality"),
            weight_bait=value("satisfaction.bait"),
            weight_noise=value("satisfaction.noise"),
            ask=value("questionnaire.ask"),
            ask_long_views=value("questionnaire.ask_long_views"),
            ask_most=int(value("questionnaire.most_per_day")),
            cool_down_days=int(value("questionnaire.cool_down_days")),
            answer_base=value("questionnaire.answer_base"),
            answer_satisfaction=value("questionnaire.answer_satisfaction"),
            answer_fatigue=value("questionnaire.fatigue"),
            fatigue_kept=value("questionnaire.fatigue_kept"),
            say_noise=value("questionnaire.say_noise"),
            say_dissatisfied=value("questionnaire.dissatisfied_below"),
            say_satisfied=value("questionnaire.satisfied_above"),
            strong_share=value("questionnaire.strong_share"),
            strong_boost=value("questionnaire.strong_boost"),
            strong_displeased=value("questionnaire.strong_displeased"),
            cost_scale=value("leaving.cost_scale"),
            cost_satisfaction=value("leaving.satisfaction"),
            cost_skips=value("leaving.skips"),
            patience_shape=value("leaving.shape"),
            return_logit=t.return_logit,
            return_satisfaction=value("returning.satisfaction"),
            mood_kept=value("returning.mood_kept"),
            mood_usual=value("returning.mood_usual"),
            hour_share=t.hour_share,
            weekday=t.weekday,
            views_scale=views_scale,
        )


def _choose(
    share: Float64[np.ndarray, " kinds"], seed: np.uint64, ids: Int64[np.ndarray, " rows"]
) -> Int64[np.ndarray, " rows"]:
    """One kind per id, with the given shares."""
    u = np.empty(len(ids))
    fill_uniforms(seed, ids, u)
    return np.minimum(np.searchsorted(np.cumsum(share), u, side="right"), len(share) - 1)


def _latents(
    seed: np.uint64,
    ids: Int64[np.ndarray, " rows"],
    kind: Int64[np.ndarray, " rows"],
    mean: Float32[np.ndarray, "kinds n"],
    root: Float32[np.ndarray, "n n"],
) -> Float32[np.ndarray, "rows n"]:
    """Latent vectors by id."""
    out = np.empty((len(ids), root.shape[0]), np.float32)
    fill_latents(seed, ids, kind, mean, root, out)
    return out
