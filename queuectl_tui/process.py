"""The processes behind ``worker start``: ``workers.__main__``, by a name that nothing else has."""

from __future__ import annotations

import sys

from workers.__main__ import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
