"""Checks of a ranker's inputs: a log to train on, and tables that match the log."""

import numpy as np

from policies.base import Log, Observation


def check_log(log: Log) -> None:
    """Refuse a log that nothing can be learned from.

    Raises:
        ValueError: It has no views, or features that are not finite.
    """
    if len(log.feedback) == 0:
        raise ValueError("a log of 0 views given, want at least one; play some days before fitting")
    for kind, table in (("user", log.users), ("video", log.videos)):
        bad = np.flatnonzero(~np.isfinite(table.features).all(axis=0))
        if len(bad):
            raise ValueError(
                f"{kind} feature {table.names[bad[0]]!r} holds numbers that are not finite; fill them first"
            )


def check_tables(obs: Observation, n_videos: int, n_user_features: int) -> None:
    """Refuse tables of another size before a lookup reads past their end.

    Args:
        obs: The requests to serve.
        n_videos: Videos in the log that the ranker was fitted on.
        n_user_features: Public features of users in that log.

    Raises:
        ValueError: The catalogue or the user features of `obs` are of another size.
    """
    given = (len(obs.videos.duration_s), obs.users.features.shape[1])
    if given != (n_videos, n_user_features):
        raise ValueError(
            f"{given[0]} videos and {given[1]} user features given, but fitted on {n_videos} and {n_user_features}; "
            "fit anew"
        )
