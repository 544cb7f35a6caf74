"""A persistent queue for shell commands, and a full-screen terminal app over it."""

from __future__ import annotations

import os
import sys
from _frozen_importlib_external import PathFinder  # importlib.machinery's, without loading that
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

__version__ = "0.1.0"


class _Siblings:
    """Finds the packages that stand beside this one there, and never in ``PYTHONPATH``.

    Their names are common words, and what a user's folders hold under them is something else.
    """

    folder = os.path.dirname(os.path.dirname(__file__))

    @classmethod
    def find_spec(
        cls,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG003 - Python gives it
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        is_sibling = name in ("store", "workers")
        return PathFinder.find_spec(name, [cls.folder], target) if is_sibling else None


sys.meta_path.insert(0, _Siblings)
