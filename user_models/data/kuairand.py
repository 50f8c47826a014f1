"""The official layout of KuaiRand: names of its files by variant, and the columns of each, in their order.

From the authors' description (Gao et al., CIKM 2022, https://doi.org/10.1145/3511808.3557624; https://kuairand.com).
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final, get_args

from user_models.data.mapping import read_mapping, shipped

Variant: TypeAlias = Literal["pure", "1k", "27k"]
TableKind: TypeAlias = Literal["standard", "random", "users", "videos", "video_statistics"]
VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)
LOG_HEADER: Final = (
    *("user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like", "is_follow", "is_comment"),
    *("is_forward", "is_hate", "long_view", "play_time_ms", "duration_ms", "profile_stay_time", "comment_stay_time"),
    *("is_profile_enter", "is_rand", "tab"),
)
USER_HEADER: Final = (
    *("user_id", "user_active_degree", "is_lowactive_period", "is_live_streamer", "is_video_author"),
    *("follow_user_num", "follow_user_num_range", "fans_user_num", "fans_user_num_range", "friend_user_num"),
    *("friend_user_num_range", "register_days", "register_days_range", *(f"onehot_feat{at}" for at in range(18))),
)
VIDEO_HEADER: Final = (
    *("video_id", "author_id", "video_type", "upload_dt", "upload_type", "visible_status", "video_duration"),
    *("server_width", "server_height", "music_id", "music_type", "tag"),
)
STATISTIC_HEADER: Final = (
    *("video_id", "counts", "show_cnt", "show_user_num", "play_cnt", "play_user_num", "play_duration"),
    *("complete_play_cnt", "complete_play_user_num", "valid_play_cnt", "valid_play_user_num", "long_time_play_cnt"),
    *("long_time_play_user_num", "short_time_play_cnt", "short_time_play_user_num", "play_progress"),
    *("comment_stay_duration", "like_cnt", "like_user_num", "click_like_cnt", "double_click_cnt"),
    *("cancel_like_cnt", "cancel_like_user_num", "comment_cnt", "comment_user_num", "direct_comment_cnt"),
    *("reply_comment_cnt", "delete_comment_cnt", "delete_comment_user_num", "comment_like_cnt"),
    *("comment_like_user_num", "follow_cnt", "follow_user_num", "cancel_follow_cnt", "cancel_follow_user_num"),
    *("share_cnt", "share_user_num", "download_cnt", "download_user_num", "report_cnt", "report_user_num"),
    *("reduce_similar_cnt", "reduce_similar_user_num", "collect_cnt", "collect_user_num"),
    *("cancel_collect_cnt", "cancel_collect_user_num", "direct_comment_user_num", "reply_comment_user_num"),
    *("share_all_cnt", "share_all_user_num", "outsite_share_all_cnt"),
)


@final
@dataclass(frozen=True)
class OfficialTable:
    """Columns of one file.

    Attributes:
        header: Names, in their order.
        first_date: Of a log: the first day in its name, yyyymmdd.
    """

    header: tuple[str, ...]
    first_date: int = 20220408


def official_names(variant: Variant) -> dict[TableKind, dict[str, OfficialTable]]:
    """Return the files of a variant by kind of table, in reading order."""
    mapping = read_mapping(shipped()[f"kuairand-{variant}"])
    if mapping.users is None or mapping.items is None or mapping.counts is None:
        raise ValueError(f"the mapping kuairand-{variant} lacks a table of users, items or counts; add it")
    kinds: dict[TableKind, tuple[tuple[str, ...], tuple[str, ...]]] = {
        "standard": (mapping.log.files, LOG_HEADER),
        "random": (mapping.log.random_files, LOG_HEADER),
        "users": (mapping.users.files, USER_HEADER),
        "videos": (mapping.items.files, VIDEO_HEADER),
        "video_statistics": (mapping.counts.files, STATISTIC_HEADER),
    }
    return {
        kind: {name: OfficialTable(header, 20220422 if "4_22" in name else 20220408) for name in names}
        for kind, (names, header) in kinds.items()
    }
