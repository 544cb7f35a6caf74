"""Modules that are loaded when they are first asked for something, not when they are named."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Late:
    """Stands for the module ``name``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value
