"""Results beside runs: the folders below one that hold an audit, a plan, a leaderboard or another file by name."""

from pathlib import Path


def find_results(folder: Path, file: str) -> list[Path]:
    """Folders at or below `folder`, at any depth, that hold `file`; the newest first, ties by name."""
    by_age = [(path.stat().st_mtime_ns, path.parent) for path in sorted(folder.rglob(file)) if path.is_file()]
    return [parent for _, parent in sorted(by_age, key=lambda each: -each[0])]
