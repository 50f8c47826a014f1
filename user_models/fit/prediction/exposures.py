"""Earlier exposures of the same users and videos: pairs of user and video with long views and likes only.

A folder of the later log alone knows little of most users. Such a list adds to what was seen of them before. It must
end before the views that are predicted; views of the days it covers are not learned from, since it holds them already.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Int64

from user_models.errors import DataError
from user_models.fit.prediction.inputs import PriorViews, nothing_seen
from user_models.fit.prediction.running_counts import add_up, empty_ledger, exposure_sums

LAST_DATE: Final = 20220424
"""Last day of the published list, yyyymmdd; the list itself has no dates."""
_COLUMNS: Final = ("user_id", "video_id", "long_view", "is_like")


@final
@dataclass(frozen=True)
class Exposures:
    """Earlier exposures, in any order.

    Attributes:
        user_id: Who.
        video_id: What was shown.
        long_view: Played 18 s, or to the end.
        like: Liked.
        last_date: No exposure is later, yyyymmdd.
    """

    user_id: Int64[np.ndarray, " exposures"]
    video_id: Int64[np.ndarray, " exposures"]
    long_view: Bool[np.ndarray, " exposures"]
    like: Bool[np.ndarray, " exposures"]
    last_date: int


def read_exposures(path: Path, last_date: int = LAST_DATE) -> Exposures:
    """Read a Parquet file with `user_id`, `video_id`, `long_view` and `is_like`.

    Raises:
        DataError: No such file, or not such a one.
    """
    try:
        table = pq.read_table(path.absolute(), columns=list(_COLUMNS))
        user, video, long_view, like = (table.column(name).to_numpy() for name in _COLUMNS)
    except (OSError, KeyError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read as exposures ({reason}); want columns {', '.join(_COLUMNS)}") from None
    for name, labels in (("long_view", long_view), ("is_like", like)):
        if not np.isin(labels, (0, 1)).all():
            raise DataError(f"{path}: {name} holds values other than 0 and 1")
    return Exposures(user.astype(np.int64), video.astype(np.int64), long_view == 1, like == 1, last_date)


def past_of(exposures: Exposures | None) -> PriorViews:
    """Convert exposures to prior views; empty without exposures."""
    if exposures is None:
        return nothing_seen()
    added = exposure_sums(exposures.long_view, exposures.like)
    users, videos = (add_up(empty_ledger(), ids, added) for ids in (exposures.user_id, exposures.video_id))
    return PriorViews(users, videos, exposures.last_date)
