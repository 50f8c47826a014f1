"""Which formulation of watch time predicts later days best: `python docs/studies/watch_time DATA`."""

import argparse
import sys
from pathlib import Path

import torch
from comparison import compare
from learning import Schedule
from table import as_json, as_table

from user_models.data.log import open_log
from user_models.errors import DataError


def main() -> int:
    """Compare and print; 2 where the folder is wrong."""
    asked = _arguments()
    # Sums on several threads depend on their number.
    torch.set_num_threads(1)
    try:
        comparison = compare(open_log(asked.data), asked.seed, Schedule())
    except (DataError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(as_json(comparison) if asked.json else as_table(comparison))
    return 0


def _arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python docs/studies/watch_time", description=__doc__)
    parser.add_argument("data", type=Path, help="a folder in the KuaiRand layout")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    parser.add_argument("--seed", type=int, default=0, help="of parameters, batches and resampling")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
