"""Reads `user_days` in slices of users, each row once: columns of whole numbers by world, day and user.

A slice holds the users of `SLICE` consecutive ids. What it holds depends on the rows alone, not on files, row groups or
their order. A row group that reaches into the next slice is kept until then; one that reaches further than `_AHEAD`
slices is read again instead, so that memory stays bounded.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Int64

from simulator.errors import RunFolderError
from simulator.runs.user_day_chunks import Chunk, ChunkRows, chunk_user_ids, list_chunks, read_chunk
from simulator.runs.user_day_kernel import EVERYBODY, locate, place
from simulator.runs.user_day_reader import MIXED_WORLD, PRE_WORLD, arm_world, check_complete, check_same_users

SLICE: Final = 8_192
"""Width of a slice, in user ids."""
_AHEAD: Final = 4
_NONE: Final = np.iinfo(np.int32).max


@final
@dataclass(frozen=True)
class Layout:
    """What is read.

    Attributes:
        arms: Names, control first.
        days: Of the test.
        pre_days: Before it.
        truth: Whether every user under every arm is wanted.
        by_day: Columns of totals wanted day by day.
        in_all: Columns wanted over the whole test.
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
    """Some users, in order of id.

    Attributes:
        user_id: Theirs.
        arm: Place of their bucket in the arms.
        segment: Code of their segment.
        segments: Names of the codes.
        days: Column by world, day and user.
        chosen: World in which a user meets the arm of their bucket, by day.
        before: Column by user over the days before the test; None where nothing is known from then.
        totals: Column over the whole test by world, then as assigned, by user.
        sums: Columns over users, and at last the number of rows, by world and day, then by day before the test, and by
            bucket.
        mixed: Users with rows of more than one bucket.
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
        layout: What is read.
        worlds: Worlds of the test that are read.
        has_before: Whether there are rows from before the test.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        """Find the row groups.

        Raises:
            RunFolderError: No files, an unreadable one, a column that is missing or has gaps.
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
        """The slices of these numbers, in rising order; those without rows are passed over.

        Raises:
            RunFolderError: A damaged file; users who lack days, or who are not in every world; an unknown bucket.
        """
        held: dict[Chunk, ChunkRows] = {}
        columns = (*self.layout.by_day, *self.layout.in_all)
        for number in numbers:
            first, end = number * size, (number + 1) * size
            for chunk in self._chunks:
                if chunk.first < end and chunk.last >= first and chunk not in held:
                    held[chunk] = read_chunk(chunk, columns)
            parts = [part for rows in held.values() if (part := _within(rows, first, end)) is not None]
            held = {chunk: rows for chunk, rows in held.items() if end <= chunk.last < end + _AHEAD * size}
            if parts:
                yield _SliceSums(self, first, size, parts).finished()


def _within(rows: ChunkRows, first: int, end: int) -> ChunkRows | None:
    """The rows of users from `first` to `end`, or None if there are none."""
    low, high = (int(at) for at in np.searchsorted(rows.user_id, (first, end)))
    if low == high:
        return None
    at = slice(low, high)
    labels = tuple(codes[at] for codes in rows.labels)
    values = {name: column[at] for name, column in rows.values.items()}
    return ChunkRows(rows.user_id[at], rows.day[at], labels, rows.names, values)


@final
class _SliceSums:
    """Rows of one slice, added up."""

    def __init__(self, table: UserDaySlices, first: int, size: int, parts: Sequence[ChunkRows]) -> None:
        layout = table.layout
        self.table, self.first, self.size = table, first, size
        worlds, days, arms = len(table.worlds), layout.days, len(layout.arms)
        self.buckets = sorted(layout.arms)
        self.unknown = sorted({name for part in parts for name in part.names[1]} - set(layout.arms))
        self.segments = sorted({name for part in parts for name in part.names[2]})
        self.counts = np.zeros((worlds * days + 1, size), np.int64)
        self.assigned = np.zeros((days, size), np.int64)
        self.chosen = np.zeros((days, size), np.int64)
        self.users = np.full((5, size), _NONE, np.int64)
        self.users[2:] = np.array([-1, 0, arms])[:, None]
        self.days = np.zeros((len(layout.by_day), worlds * days + 1, size), np.int64)
        self.totals = np.zeros((len(layout.in_all), worlds + 1, size), np.int64)
        self.sums = np.zeros((len(layout.by_day) + 1, worlds * days + layout.pre_days, arms), np.int64)
        for part in parts:
            self._add(part)

    def _add(self, part: ChunkRows) -> None:
        """Take in rows."""
        layout, worlds = self.table.layout, (*self.table.worlds, PRE_WORLD)
        names = (worlds, (*self.buckets, *self.unknown), self.segments)
        codes = [
            np.array([_code(each, known) for each in own], np.int64)
            for known, own in zip(names, part.names, strict=True)
        ]
        labels = np.stack([new[old] for new, old in zip(codes, part.labels, strict=True)])
        own_arm = (
            {arm_world(arm): code for code, arm in enumerate(self.buckets)}
            if MIXED_WORLD not in worlds
            else {MIXED_WORLD: EVERYBODY}
        )
        arm_of_world = np.array([own_arm.get(world, _NONE) for world in worlds], np.int64)
        cells = np.empty((4, len(part.user_id)), np.int64)
        places = (cells, self.counts, self.assigned, self.chosen, self.users)
        locate(self.first, layout.days, layout.pre_days, part.user_id, labels, part.day, arm_of_world, *places)
        for column, name in enumerate(layout.by_day):
            place(cells[0], part.values[name], self.days[column].reshape(-1))
            place(cells[3], part.values[name], self.sums[column].reshape(-1))
        place(cells[3], np.ones(len(part.user_id), np.int32), self.sums[-1].reshape(-1))
        for column, name in enumerate(layout.in_all):
            for kind in (1, 2):
                place(cells[kind], part.values[name], self.totals[column].reshape(-1))

    def finished(self) -> UserSlice:
        """The slice, once it is sound.

        Raises:
            RunFolderError: It is not.
        """
        layout = self.table.layout
        at = np.flatnonzero(self.assigned.any(axis=0))
        self._check(at)
        bucket = self.users[0, at]
        if (bucket >= len(self.buckets)).any():
            arms = ", ".join(layout.arms)
            raise RunFolderError(
                f"{self.table.folder}/user_days: bucket {self.unknown[0]!r} is no arm of spec.toml, which has {arms}"
            )
        worlds = len(self.table.worlds)
        days = self.days if len(at) == self.size else self.days[:, :, at]
        place_of = np.array([layout.arms.index(name) for name in self.buckets])
        order = np.array([self.buckets.index(name) for name in layout.arms])
        return UserSlice(
            user_id=self.first + at,
            arm=place_of[bucket],
            segment=self.users[1, at],
            segments=tuple(self.segments),
            days=days[:, :-1].reshape(len(layout.by_day), worlds, layout.days, len(at)),
            chosen=self.chosen[:, at],
            before=days[:, -1] if self.table.has_before else None,
            totals=self.totals[:, :, at],
            sums=self.sums[:, :, order],
            mixed=int(self.users[3].sum()),
        )

    def _check(self, at: Int64[np.ndarray, " users"]) -> None:
        """Refuse users who lack days, or who are not the same in every world and on every day."""
        layout, folder, days = self.table.layout, self.table.folder, range(self.table.layout.days)
        if not len(at):
            raise RunFolderError(f"{folder}/user_days: no rows of days 0 to {days[-1]}; finish the run first")
        users = self.first + at
        assigned = MIXED_WORLD if MIXED_WORLD in self.table.worlds else "all:<bucket>"
        check_complete(users, self.assigned[:, at].sum(axis=0), assigned, days, folder)
        if self.table.has_before:
            self._check_world(users, PRE_WORLD, self.counts[-1:], range(-layout.pre_days, 0))
        if layout.truth:
            for place_of, world in enumerate(self.table.worlds[: len(layout.arms)]):
                rows = self.counts[place_of * len(days) : (place_of + 1) * len(days)]
                self._check_world(users, world, rows, days)
                for day in days:
                    check_complete(users, rows[day, at], world, range(day, day + 1), folder)
        for day in days:
            today = self.first + np.flatnonzero(self.assigned[day])
            check_same_users(users, today, f"of day {day}", folder)

    def _check_world(
        self, users: Int64[np.ndarray, " users"], world: str, rows: Int64[np.ndarray, "days size"], days: range
    ) -> None:
        """Refuse a world that lacks days or has other users than the test."""
        others = np.flatnonzero(rows.any(axis=0))
        check_complete(self.first + others, rows[:, others].sum(axis=0), world, days, self.table.folder)
        check_same_users(users, self.first + others, world, self.table.folder)


def _code(name: str, names: Sequence[str]) -> int:
    """The place of a name, -1 if it has none."""
    return names.index(name) if name in names else -1
