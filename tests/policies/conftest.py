"""Lets the tests of this folder import the helper modules beside this file (tests are no packages)."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
