"""Tiny KuaiRand folders in the three official layouts, with made-up rows."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from user_models.data.kuairand import OfficialTable, Variant, official_names

FEATURES = {
    "user_active_degree": "full_active",
    "follow_user_num_range": "(10,50]",
    "fans_user_num_range": "[1w,10w)",
    "friend_user_num_range": "0",
    "register_days_range": "730+",
    "is_live_streamer": -124,
    "onehot_feat4": "",
    "onehot_feat12": "1.0",
    "video_type": "NORMAL",
    "upload_dt": "2022-04-10",
    "upload_type": "LongImport",
    "video_duration": "8000.0",
    "music_type": "",
    "play_progress": 0.25,
}
TAGS = ("39,2", "7", "")


def made_up_row(table: OfficialTable, at: int) -> dict[str, object]:
    """An allowed row; `at` tells rows apart."""
    flags = {"is_click", "is_like", "is_lowactive_period", "is_video_author", "long_view", "is_rand", "tab"}
    own = {
        "user_id": at // 3 if "video_id" in table.header else at,
        "video_id": at,
        "date": table.first_date + at % 3,
        "hourmin": 100 * (at % 24),
        "time_ms": 1650000000000 + at // 2,
        "play_time_ms": 1500 * at,
        "duration_ms": 4000 * (at % 4),
        "tag": TAGS[at % 3],
    }
    return {name: own.get(name, FEATURES.get(name, at % 2 if name in flags else 0)) for name in table.header}


def write_table(path: Path, table: OfficialTable, rows: list[dict[str, object]], order: tuple[str, ...] = ()) -> None:
    """Write rows as the archive does: plain commas, quotes where needed, Unix line ends."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, order or table.header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


MakeFolder = Callable[..., Path]


@pytest.fixture(scope="session")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> MakeFolder:
    """Makes a folder with `n_rows` rows in each file; the random log only if asked for."""

    def make(variant: Variant = "pure", n_rows: int = 10, random: bool = False) -> Path:
        root = tmp_path_factory.mktemp("kuairand")
        (root / "data").mkdir()
        for kind, tables in official_names(variant).items():
            if kind != "random" or random:
                for part, (name, table) in enumerate(tables.items()):
                    first = part * n_rows if kind == "video_statistics" else 0
                    rows = [made_up_row(table, at) for at in range(first, first + n_rows)]
                    write_table(root / "data" / name, table, rows)
        return root

    return make
