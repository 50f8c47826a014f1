"""Search for folders that hold a result file, such as an audit, a plan or a leaderboard."""

from pathlib import Path


def find_results(folder: Path, file: str) -> list[Path]:
    """Find folders at or below `folder`, at any depth, that hold `file`; the newest first, ties by name."""
    age_and_folder = [(path.stat().st_mtime_ns, path.parent) for path in sorted(folder.rglob(file)) if path.is_file()]
    return [parent for _, parent in sorted(age_and_folder, key=lambda entry: -entry[0])]
