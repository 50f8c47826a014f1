"""KuaiRand as logs to evaluate on: a folder in the official layout, or the list of earlier exposures.

Likes count as answers "satisfied" and hates as "dissatisfied", as in SAQRec's experiment on KuaiRand; a view with both
has no answer. Public features are those that a platform has on the day: counts over the whole app are left out, because
they include the test days.

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
from user_models.data.log import LogData, open_log
from user_models.fit.prediction.exposures import Exposures, read_exposures
from user_models.fit.prediction.feature_encoder import learn_coding
from user_models.fit.rows.features import first_topic, labels, user_categories, user_numbers, video_categories
from user_models.fit.rows.log_rows import LogRows, read_rows

SIBLING: Final = "kuairand-pure-sample"
"""Default folder of the tables for a list of exposures, next to the list."""
_ACTS: Final = (Event.LIKE, Event.FOLLOW, Event.COMMENT, Event.FORWARD, Event.HATE, Event.PROFILE_ENTER)
"""Events in the order of `LogRows.acted`."""
_VIEWS_A_DAY: Final = 3
"""Exposures per assumed day of the list, about as many as KuaiRand-Pure has per user and active day."""
_LONG_S: Final = 18.0
_NAMES: Final = {
    "follow_user_num": "follows",
    "fans_user_num": "fans",
    "friend_user_num": "friends",
    "register_days": "registered",
}
"""Names that features of KuaiRand's users have here."""


def read_folder(path: Path) -> Dataset:
    """Read a log without its random exposures, exact duplicates and videos without length.

    Raises:
        DataError: The folder is missing or damaged.
    """
    folder = open_log(path)
    rows = read_rows(folder).rows
    rows = rows.take(~rows.random)
    return Dataset(path.resolve().name, Log(_feedback(rows), *_tables(folder)))


def read_list(path: Path, features: Path | None) -> Dataset:
    """Read the list of earlier exposures, with the public tables of a KuaiRand folder.

    The list holds only the order of views, long views and likes. So a long view counts as the click, and every view is
    its own request. Days are counted back from each user's last view, with three views per day. Watch time is the known
    minimum: 18 s or the video's length for a long view, 0 for other views, which are not marked as skips.

    Raises:
        DataError: The file or folder is missing or damaged.
        OfflineError: There is no folder of tables, or it lacks a user or video of the list.
    """
    beside = features or path.resolve().parent / SIBLING
    if not beside.is_dir():
        raise OfflineError(f"{beside}: no such folder; name a KuaiRand folder with --features")
    folder = open_log(beside)
    users, videos = _tables(folder)
    exposures = read_exposures(path)
    user = _table_rows(exposures.user_id, folder.users()["user"], beside)
    video = _table_rows(exposures.video_id, folder.items()["item"], beside)
    order = np.argsort(user, kind="stable")
    return Dataset(path.stem, Log(_list_as_log(exposures, user, video, order, videos), users, videos))


def _list_as_log(
    exposures: Exposures,
    user: Int64[np.ndarray, " rows"],
    video: Int64[np.ndarray, " rows"],
    order: Int64[np.ndarray, " rows"],
    videos: VideoTable,
) -> Feedback:
    """Turn exposures into a log."""
    user, video, long_view, like = user[order], video[order], exposures.long_view[order], exposures.like[order]
    next_user_row = np.searchsorted(user, user, side="right")
    views_left = next_user_row - 1 - np.arange(len(user))
    seconds = np.minimum(_LONG_S, videos.duration_s[video])
    n = len(user)
    return Feedback(
        user_id=user.astype(np.int32),
        video_id=video.astype(np.int32),
        day=(-1 - views_left // _VIEWS_A_DAY).astype(np.int16),
        hour=np.zeros(n, np.int8),
        request=(_VIEWS_A_DAY - 1 - views_left % _VIEWS_A_DAY).astype(np.int16),
        position=np.zeros(n, np.int8),
        watch_s=np.where(long_view, seconds, 0).astype(np.float32),
        events=_bits(
            [(Event.CLICK | Event.LONG_VIEW, long_view), *_answer_events(like, np.zeros(n, bool)), (Event.LIKE, like)]
        ),
        answer=np.where(like, 3, 0).astype(np.int8),
    )


def _feedback(rows: LogRows) -> Feedback:
    """Turn rows of a folder into a log; rows of the same user and time are one request."""
    like, hate = (rows.acted[:, _ACTS.index(act)] > 0 for act in (Event.LIKE, Event.HATE))
    is_satisfied, is_dissatisfied = like & ~hate, hate & ~like
    duration_s = np.exp(rows.log_duration)
    complete = rows.watch_s >= duration_s * (1 - 1e-5)
    dates = pd.to_datetime(rows.date.astype(str), format="%Y%m%d").to_numpy("datetime64[D]")
    day = (dates - dates.max() - np.timedelta64(1, "D")).astype(np.int64) if len(rows) else rows.date
    request, position = _requests(rows, day)
    acts = [(act, rows.acted[:, index] > 0) for index, act in enumerate(_ACTS)]
    watch_events = [
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
        events=_bits([*watch_events, *acts, *_answer_events(is_satisfied, is_dissatisfied)]),
        answer=(3 * is_satisfied + is_dissatisfied).astype(np.int8),
    )


def _requests(
    rows: LogRows, day: Int64[np.ndarray, " rows"]
) -> tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " rows"]]:
    """Number the requests of each user and day, and the position of each view in its request."""
    new_day = np.append(True, (np.diff(rows.user) != 0) | (np.diff(day) != 0))[: len(rows)]
    new_request = new_day | np.append(True, np.diff(rows.time_ms) != 0)[: len(rows)]
    row, request_number = np.arange(len(rows)), np.cumsum(new_request)
    return (
        request_number - np.maximum.accumulate(np.where(new_day, request_number, 0)),
        row - np.maximum.accumulate(np.where(new_request, row, 0)),
    )


def _answer_events(
    is_satisfied: Bool[np.ndarray, " rows"], is_dissatisfied: Bool[np.ndarray, " rows"]
) -> list[tuple[Event, Bool[np.ndarray, " rows"]]]:
    """Events of the answers that likes and hates stand for."""
    answered = Event.ASKED | Event.ANSWERED
    return [(answered | Event.SATISFIED, is_satisfied), (answered | Event.DISSATISFIED, is_dissatisfied)]


def _bits(columns: list[tuple[Event, Bool[np.ndarray, " rows"]]]) -> UInt16[np.ndarray, " rows"]:
    """Combine columns into event bits."""
    events = np.zeros(len(columns[0][1]), np.uint16)
    for event, is_set in columns:
        events |= np.where(is_set, np.uint16(event.value), np.uint16(0))
    return events


def _tables(folder: LogData) -> tuple[UserTable, VideoTable]:
    """Build the public tables of users and videos: categories as indicators, numbers standardised."""
    users, videos = folder.users(), folder.items()
    profile = user_categories(users)
    profile = profile[[name for name in profile.columns if not name.startswith("onehot")]]
    made = video_categories(videos).drop(columns=["topic", "first_topic", "upload_dt"], errors="ignore")
    seconds = videos["duration_s"].where(videos["duration_s"] > 0)
    duration_s = seconds.fillna(seconds.median()).fillna(60.0).to_numpy(np.float32)
    tag = pd.factorize(first_topic(videos), use_na_sentinel=False)[0].astype(np.int32)
    users_x, users_names = _indicators(profile, user_numbers(users), _number_names(users))
    videos_x, videos_names = _indicators(made, np.log(duration_s)[:, None], ("log_duration",))
    return UserTable(users_x, users_names), VideoTable(duration_s, tag, videos_x, videos_names)


def _number_names(users: pd.DataFrame) -> tuple[str, ...]:
    """Names of the numbers of users."""
    return tuple(_NAMES.get(str(name), str(name)) for name in users if name != "user" and name not in labels(users))


def _indicators(
    categories: pd.DataFrame, numbers: Float32[np.ndarray, "items f"], names: tuple[str, ...]
) -> tuple[Float32[np.ndarray, "items columns"], tuple[str, ...]]:
    """Return numbers, then one column per category; rare categories share one."""
    coding = learn_coding(categories, numbers)
    encoded = coding.encode(categories, numbers)
    indicators = np.zeros((len(categories), encoded.n_codes), np.float32)
    np.put_along_axis(indicators, encoded.codes, 1, axis=1)
    levels = [
        f"{column}={level}"
        for column, column_levels in zip(categories.columns, coding.levels, strict=True)
        for level in ("rare", *column_levels)
    ]
    return np.concatenate([encoded.numbers, indicators], axis=1), (*names, *levels)


def _table_rows(row_ids: Int64[np.ndarray, " rows"], ids: "pd.Series[int]", folder: Path) -> Int64[np.ndarray, " rows"]:
    """Return the table row of each id."""
    table_rows = pd.Index(ids.to_numpy()).get_indexer(pd.Index(row_ids))
    if (table_rows < 0).any():
        missing_id = row_ids[table_rows < 0][0]
        raise OfflineError(f"{folder}: {ids.name} {missing_id} of the list is not there; give the complete folder")
    return table_rows.astype(np.int64)
