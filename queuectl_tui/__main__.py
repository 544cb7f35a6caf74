"""``python -m queuectl_tui`` is ``queuectl-tui``."""

from __future__ import annotations

from queuectl_tui.cli import main

main()
