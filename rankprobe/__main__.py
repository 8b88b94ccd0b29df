"""``python -m rankprobe`` is the command ``rankprobe``."""

import sys

from rankprobe.cli import main

if __name__ == "__main__":
    sys.exit(main())
