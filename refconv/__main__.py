"""``python -m refconv`` is the command ``refconv``."""

import sys

from refconv.cli import main

sys.exit(main())
