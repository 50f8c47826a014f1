"""KuaiRand as logs to evaluate on: a folder in the official layout, or the list of earlier exposures.

Likes stand for answers "satisfied" and hates for "dissatisfied", as in SAQRec's experiment on KuaiRand; a view with
both tells neither. Public features are what a platform knows on the day: counts over the whole app are left out, since
they hold the days that are asked about.

Axes: `rows` logged views, `items` users or videos.
"""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int64, UInt16

from policies.base import Event, Feedback, Log, UserTable, VideoTable
from simulator.errors import OfflineError
from simulator.offline.dataset import Dataset
from user_models.data.folder import KuaiRandFolder, open_folder
from user_models.fit.prediction.exposures import Exposures, read_exposures
from user_models.fit.prediction.feature_encoder import learn_coding
from user_models.fit.rows.features import first_tag, user_categories, user_numbers, video_categories
from user_models.fit.rows.log_rows import LogRows, read_rows

SIBLING: Final = "kuairand-pure-sample"
"""Folder of the tables that a list of exposures is read with, beside it, where none is named."""
_ACTS: Final = (Event.LIKE, Event.FOLLOW, Event.COMMENT, Event.FORWARD, Event.HATE, Event.PROFILE_ENTER)
"""In the order of `LogRows.acted`."""
_VIEWS_A_DAY: Final = 3
"""Exposures that a made-up day of the list has: KuaiRand-Pure keeps about as many of a user and active day."""
_LONG_S: Final = 18.0


def read_folder(path: Path) -> Dataset:
    """The standard log of a KuaiRand folder; exact duplicates and videos without length are left out.

    Raises:
        DataError: A missing or damaged folder.
    """
    folder = open_folder(path)
    rows = read_rows(folder).rows
    rows = rows.take(~rows.random)
    return Dataset(path.resolve().name, Log(_feedback(rows), *_tables(folder)))


def read_list(path: Path, features: Path | None) -> Dataset:
    """The list of earlier exposures, with the public tables of a KuaiRand folder.

    The list tells the order of views, long views and likes. So: a long view is the click; every view is a request of
    its own; days are counted back from each user's last view, three views to a day; the seconds watched are the least
    that is known, 18 s or the video's length for a long view, and 0 for others, which are not called skips.

    Raises:
        DataError: A missing or damaged file or folder.
        OfflineError: No folder of tables, or one that lacks a user or video of the list.
    """
    beside = features or path.resolve().parent / SIBLING
    if not beside.is_dir():
        raise OfflineError(f"{beside}: no such folder; name a KuaiRand folder with --features")
    folder = open_folder(beside)
    users, videos = _tables(folder)
    exposures = read_exposures(path)
    user = _places(exposures.user_id, folder.users(("user_id",))["user_id"], beside)
    video = _places(exposures.video_id, folder.videos(("video_id",))["video_id"], beside)
    order = np.argsort(user, kind="stable")
    return Dataset(path.stem, Log(_listed(exposures, user, video, order, videos), users, videos))


def _listed(
    exposures: Exposures,
    user: Int64[np.ndarray, " rows"],
    video: Int64[np.ndarray, " rows"],
    order: Int64[np.ndarray, " rows"],
    videos: VideoTable,
) -> Feedback:
    """Exposures in the form of a log."""
    user, video, long_view, like = user[order], video[order], exposures.long_view[order], exposures.like[order]
    ends = np.searchsorted(user, user, side="right")
    left = ends - 1 - np.arange(len(user))
    seconds = np.minimum(_LONG_S, videos.duration_s[video])
    n = len(user)
    return Feedback(
        user_id=user.astype(np.int32),
        video_id=video.astype(np.int32),
        day=(-1 - left // _VIEWS_A_DAY).astype(np.int16),
        hour=np.zeros(n, np.int8),
        request=(_VIEWS_A_DAY - 1 - left % _VIEWS_A_DAY).astype(np.int16),
        position=np.zeros(n, np.int8),
        watch_s=np.where(long_view, seconds, 0).astype(np.float32),
        events=_bits(
            [(Event.CLICK | Event.LONG_VIEW, long_view), *_answered(like, np.zeros(n, bool)), (Event.LIKE, like)]
        ),
        answer=np.where(like, 3, 0).astype(np.int8),
    )


def _feedback(rows: LogRows) -> Feedback:
    """Rows of a folder in the form of a log: rows of one user and moment are one request."""
    like, hate = (rows.acted[:, _ACTS.index(act)] > 0 for act in (Event.LIKE, Event.HATE))
    pleased, displeased = like & ~hate, hate & ~like
    duration_s = np.exp(rows.log_duration)
    complete = rows.watch_s >= duration_s * (1 - 1e-5)
    dates = pd.to_datetime(rows.date.astype(str), format="%Y%m%d").to_numpy("datetime64[D]")
    day = (dates - dates.max() - np.timedelta64(1, "D")).astype(np.int64) if len(rows) else rows.date
    request, position = _requests(rows, day)
    acts = [(act, rows.acted[:, at] > 0) for at, act in enumerate(_ACTS)]
    watched = [
        (Event.CLICK, rows.click),
        (Event.LONG_VIEW, rows.long_view),
        (Event.COMPLETE, complete),
        (Event.SKIP, (rows.watch_s < 3) & ~complete),
    ]
    return Feedback(
        user_id=rows.user.astype(np.int32),
        video_id=rows.video.astype(np.int32),
        day=day.astype(np.int16),
        hour=rows.hour.astype(np.int8),
        request=request.astype(np.int16),
        position=position.clip(max=127).astype(np.int8),
        watch_s=rows.watch_s,
        events=_bits([*watched, *acts, *_answered(pleased, displeased)]),
        answer=(3 * pleased + displeased).astype(np.int8),
    )


def _requests(
    rows: LogRows, day: Int64[np.ndarray, " rows"]
) -> tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " rows"]]:
    """Number the requests of each user and day, and the position of each view in its request."""
    new_day = np.append(True, (np.diff(rows.user) != 0) | (np.diff(day) != 0))[: len(rows)]
    opens = new_day | np.append(True, np.diff(rows.time_ms) != 0)[: len(rows)]
    row, nth = np.arange(len(rows)), np.cumsum(opens)
    return (
        nth - np.maximum.accumulate(np.where(new_day, nth, 0)),
        row - np.maximum.accumulate(np.where(opens, row, 0)),
    )


def _answered(
    pleased: Bool[np.ndarray, " rows"], displeased: Bool[np.ndarray, " rows"]
) -> list[tuple[Event, Bool[np.ndarray, " rows"]]]:
    """Return placeholder answers."""
    answered = Event.ASKED | Event.ANSWERED
    return [(answered | Event.SATISFIED, pleased), (answered | Event.DISSATISFIED, displeased)]


def _bits(happened: list[tuple[Event, Bool[np.ndarray, " rows"]]]) -> UInt16[np.ndarray, " rows"]:
    """Event bits out of columns."""
    events = np.zeros(len(happened[0][1]), np.uint16)
    for event, where in happened:
        events |= np.where(where, np.uint16(event.value), np.uint16(0))
    return events


def _tables(folder: KuaiRandFolder) -> tuple[UserTable, VideoTable]:
    """Build the public tables of users and videos: categories as indicators, numbers standardised."""
    users, videos = folder.users(), folder.videos()
    profile = user_categories(users)
    profile = profile[[name for name in profile.columns if not name.startswith("onehot")]]
    made = video_categories(videos)[["upload_type", "music_type", "video_type"]]
    seconds = videos["duration_s"].where(videos["duration_s"] > 0)
    duration_s = seconds.fillna(seconds.median()).fillna(60.0).to_numpy(np.float32)
    tag = pd.factorize(first_tag(videos), use_na_sentinel=False)[0].astype(np.int32)
    users_x, users_names = _indicators(profile, user_numbers(users), ("follows", "fans", "friends", "registered"))
    videos_x, videos_names = _indicators(made, np.log(duration_s)[:, None], ("log_duration",))
    return UserTable(users_x, users_names), VideoTable(duration_s, tag, videos_x, videos_names)


def _indicators(
    categories: pd.DataFrame, numbers: Float32[np.ndarray, "items f"], names: tuple[str, ...]
) -> tuple[Float32[np.ndarray, "items columns"], tuple[str, ...]]:
    """Return numbers, then one column per category; rare categories share one."""
    coding = learn_coding(categories, numbers)
    encoded = coding.encode(categories, numbers)
    ones = np.zeros((len(categories), encoded.n_codes), np.float32)
    np.put_along_axis(ones, encoded.codes, 1, axis=1)
    levels = [
        f"{column}={level}"
        for column, known in zip(categories.columns, coding.levels, strict=True)
        for level in ("rare", *known)
    ]
    return np.concatenate([encoded.numbers, ones], axis=1), (*names, *levels)


def _places(wanted: Int64[np.ndarray, " rows"], ids: "pd.Series[int]", folder: Path) -> Int64[np.ndarray, " rows"]:
    """Return the table row of each id."""
    places = pd.Index(ids.to_numpy()).get_indexer(pd.Index(wanted))
    if (places < 0).any():
        missing = wanted[places < 0][0]
        raise OfflineError(f"{folder}: {ids.name} {missing} of the list is not there; give the complete folder")
    return places.astype(np.int64)
