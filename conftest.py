"""Let tests and doctests import the experiments, which stand beside the package and are not installed."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # at the end: an installed refconv takes precedence over this folder's
