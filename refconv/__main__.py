"""Entry point of ``python -m refconv``, which is the command ``refconv``."""

import sys

from refconv.cli import main

sys.exit(main())
