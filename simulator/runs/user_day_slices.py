"""Read `user_days` in slices of users, each row once: columns of whole numbers by world, day and user.

A slice holds the users of `SLICE` consecutive ids. Its content depends on the rows alone, not on files, row groups or
their order. A row group that reaches into the next slice stays in memory until then; one that reaches further than
`_AHEAD` slices is read again instead, so that memory stays bounded.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Int64

from simulator.errors import RunFolderError
from simulator.runs.user_day_chunks import Chunk, ChunkRows, chunk_user_ids, list_chunks, read_chunk
from simulator.runs.user_day_kernel import ALL_ARMS, add_to_cells, locate
from simulator.runs.user_day_reader import MIXED_WORLD, PRE_WORLD, arm_world, check_complete, check_same_users

SLICE: Final = 8_192
"""Width of a slice, in user ids."""
_AHEAD: Final = 4
_NONE: Final = np.iinfo(np.int32).max


@final
@dataclass(frozen=True)
class Layout:
    """Columns, days and worlds to read.

    Attributes:
        arms: Names of the arms, control first.
        days: Days of the test.
        pre_days: Days before the test.
        truth: Whether to read every user under every arm.
        by_day: Columns of totals to read by day.
        in_all: Columns of totals to read over the whole test.
    """

    arms: tuple[str, ...]
    days: int
    pre_days: int
    truth: bool
    by_day: tuple[str, ...]
    in_all: tuple[str, ...]


@final
@dataclass(frozen=True)
class UserSlice:
    """Users of a slice, in order of id.

    Attributes:
        user_id: Id of each user.
        arm: Index of each user's arm.
        segment: Code of each user's segment.
        segments: Names of the codes.
        days: Columns by world, day and user.
        chosen: World in which each user is served by the arm of their bucket, by day.
        before: Columns by user over the days before the test; None without such days.
        totals: Columns over the whole test by world and user; the last world is the assigned one.
        sums: Columns summed over users, then the number of rows, by world and day, then by day before the test, and
            by bucket.
        mixed: Number of users with rows of more than one bucket.
    """

    user_id: Int64[np.ndarray, " users"]
    arm: Int64[np.ndarray, " users"]
    segment: Int64[np.ndarray, " users"]
    segments: tuple[str, ...]
    days: Int64[np.ndarray, "columns worlds days users"]
    chosen: Int64[np.ndarray, "days users"]
    before: Int64[np.ndarray, "columns users"] | None
    totals: Int64[np.ndarray, "others worlds_and_assigned users"]
    sums: Int64[np.ndarray, "columns_and_rows worlds_and_days arms"]
    mixed: int


@final
class UserDaySlices:
    """The user-days of a run folder, still on disk.

    Attributes:
        folder: The run folder.
        layout: Columns, days and worlds to read.
        worlds: Worlds of the test that are read.
        has_before: Whether there are rows from before the test.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        """Find the row groups.

        Raises:
            RunFolderError: There are no files, one is unreadable, or a column is missing or has gaps.
        """
        self.folder, self.layout = folder, layout
        self._chunks, worlds = list_chunks(folder)
        mixed = (MIXED_WORLD,) if MIXED_WORLD in worlds else ()
        arms = tuple(arm_world(arm) for arm in layout.arms)
        self.worlds = (*arms, *mixed) if layout.truth or not mixed else mixed
        self.has_before = PRE_WORLD in worlds

    def numbers(self, size: int) -> list[int]:
        """Numbers of the slices that may have users, in order."""
        numbers = set[int]()
        for chunk in self._chunks:
            first, last = chunk.first // size, chunk.last // size
            if last - first < chunk.rows:
                numbers.update(range(first, last + 1))
            else:
                numbers.update((chunk_user_ids(chunk) // size).tolist())
        return sorted(numbers)

    def read(self, numbers: Sequence[int], size: int) -> Generator[UserSlice]:
        """Yield the slices of these numbers, in rising order; slices without rows are skipped.

        Raises:
            RunFolderError: A file is damaged, a user lacks days or is not in every world, or a bucket is unknown.
        """
        rows_by_chunk: dict[Chunk, ChunkRows] = {}
        columns = (*self.layout.by_day, *self.layout.in_all)
        for number in numbers:
            first, end = number * size, (number + 1) * size
            for chunk in self._chunks:
                if chunk.first < end and chunk.last >= first and chunk not in rows_by_chunk:
                    rows_by_chunk[chunk] = read_chunk(chunk, columns)
            rows_of_slice = [
                within for rows in rows_by_chunk.values() if (within := _within(rows, first, end)) is not None
            ]
            rows_by_chunk = {
                chunk: rows for chunk, rows in rows_by_chunk.items() if end <= chunk.last < end + _AHEAD * size
            }
            if rows_of_slice:
                yield _SliceSums(self, first, size, rows_of_slice).finished()


def _within(rows: ChunkRows, first: int, end: int) -> ChunkRows | None:
    """Select the rows of users from `first` to `end`; None if there are none."""
    start, stop = (int(index_range) for index_range in np.searchsorted(rows.user_id, (first, end)))
    if start == stop:
        return None
    index_range = slice(start, stop)
    labels = tuple(codes[index_range] for codes in rows.labels)
    values = {name: column[index_range] for name, column in rows.values.items()}
    return ChunkRows(rows.user_id[index_range], rows.day[index_range], labels, rows.names, values)


@final
class _SliceSums:
    """Sums over the rows of one slice."""

    def __init__(self, table: UserDaySlices, first: int, size: int, chunks: Sequence[ChunkRows]) -> None:
        layout = table.layout
        self.table, self.first, self.size = table, first, size
        worlds, days, arms = len(table.worlds), layout.days, len(layout.arms)
        self.buckets = sorted(layout.arms)
        self.unknown = sorted({name for rows in chunks for name in rows.names[1]} - set(layout.arms))
        self.segments = sorted({name for rows in chunks for name in rows.names[2]})
        self.counts = np.zeros((worlds * days + 1, size), np.int64)
        self.assigned = np.zeros((days, size), np.int64)
        self.chosen = np.zeros((days, size), np.int64)
        self.users = np.full((5, size), _NONE, np.int64)
        self.users[2:] = np.array([-1, 0, arms])[:, None]
        self.days = np.zeros((len(layout.by_day), worlds * days + 1, size), np.int64)
        self.totals = np.zeros((len(layout.in_all), worlds + 1, size), np.int64)
        self.sums = np.zeros((len(layout.by_day) + 1, worlds * days + layout.pre_days, arms), np.int64)
        for rows in chunks:
            self._add(rows)

    def _add(self, rows: ChunkRows) -> None:
        """Add rows."""
        layout, worlds = self.table.layout, (*self.table.worlds, PRE_WORLD)
        names = (worlds, (*self.buckets, *self.unknown), self.segments)
        codes = [
            np.array([_code(label, all_names) for label in chunk_names], np.int64)
            for all_names, chunk_names in zip(names, rows.names, strict=True)
        ]
        labels = np.stack(
            [code_map[labels_of_kind] for code_map, labels_of_kind in zip(codes, rows.labels, strict=True)]
        )
        arm_of_name = (
            {arm_world(arm): code for code, arm in enumerate(self.buckets)}
            if MIXED_WORLD not in worlds
            else {MIXED_WORLD: ALL_ARMS}
        )
        arm_of_world = np.array([arm_of_name.get(world, _NONE) for world in worlds], np.int64)
        cells = np.empty((4, len(rows.user_id)), np.int64)
        outputs = (cells, self.counts, self.assigned, self.chosen, self.users)
        locate(self.first, layout.days, layout.pre_days, rows.user_id, labels, rows.day, arm_of_world, *outputs)
        for column, name in enumerate(layout.by_day):
            add_to_cells(cells[0], rows.values[name], self.days[column].reshape(-1))
            add_to_cells(cells[3], rows.values[name], self.sums[column].reshape(-1))
        add_to_cells(cells[3], np.ones(len(rows.user_id), np.int32), self.sums[-1].reshape(-1))
        for column, name in enumerate(layout.in_all):
            for cell_kind in (1, 2):
                add_to_cells(cells[cell_kind], rows.values[name], self.totals[column].reshape(-1))

    def finished(self) -> UserSlice:
        """Check the slice and return it.

        Raises:
            RunFolderError: A user lacks days or is not in every world, or a bucket is unknown.
        """
        layout = self.table.layout
        user_index = np.flatnonzero(self.assigned.any(axis=0))
        self._check(user_index)
        bucket = self.users[0, user_index]
        if (bucket >= len(self.buckets)).any():
            arms = ", ".join(layout.arms)
            raise RunFolderError(
                f"{self.table.folder}/user_days: bucket {self.unknown[0]!r} is no arm of spec.toml, which has {arms}"
            )
        worlds = len(self.table.worlds)
        days = self.days if len(user_index) == self.size else self.days[:, :, user_index]
        arm_index = np.array([layout.arms.index(name) for name in self.buckets])
        order = np.array([self.buckets.index(name) for name in layout.arms])
        return UserSlice(
            user_id=self.first + user_index,
            arm=arm_index[bucket],
            segment=self.users[1, user_index],
            segments=tuple(self.segments),
            days=days[:, :-1].reshape(len(layout.by_day), worlds, layout.days, len(user_index)),
            chosen=self.chosen[:, user_index],
            before=days[:, -1] if self.table.has_before else None,
            totals=self.totals[:, :, user_index],
            sums=self.sums[:, :, order],
            mixed=int(self.users[3].sum()),
        )

    def _check(self, user_index: Int64[np.ndarray, " users"]) -> None:
        """Check that users have all days, and are the same in every world and on every day."""
        layout, folder, days = self.table.layout, self.table.folder, range(self.table.layout.days)
        if not len(user_index):
            raise RunFolderError(f"{folder}/user_days: no rows of days 0 to {days[-1]}; finish the run first")
        users = self.first + user_index
        world_name = MIXED_WORLD if MIXED_WORLD in self.table.worlds else "all:<bucket>"
        check_complete(users, self.assigned[:, user_index].sum(axis=0), world_name, days, folder)
        if self.table.has_before:
            self._check_world(users, PRE_WORLD, self.counts[-1:], range(-layout.pre_days, 0))
        if layout.truth:
            for world_index, world in enumerate(self.table.worlds[: len(layout.arms)]):
                rows = self.counts[world_index * len(days) : (world_index + 1) * len(days)]
                self._check_world(users, world, rows, days)
                for day in days:
                    check_complete(users, rows[day, user_index], world, range(day, day + 1), folder)
        for day in days:
            users_of_day = self.first + np.flatnonzero(self.assigned[day])
            check_same_users(users, users_of_day, f"of day {day}", folder)

    def _check_world(
        self, users: Int64[np.ndarray, " users"], world: str, rows: Int64[np.ndarray, "days size"], days: range
    ) -> None:
        """Check that a world has all days and the users of the test."""
        user_index = np.flatnonzero(rows.any(axis=0))
        check_complete(self.first + user_index, rows[:, user_index].sum(axis=0), world, days, self.table.folder)
        check_same_users(users, self.first + user_index, world, self.table.folder)


def _code(name: str, names: Sequence[str]) -> int:
    """Index of a name, -1 if it is not there."""
    return names.index(name) if name in names else -1
