"""Where the cursor is in a list, and which part of the list is seen."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Viewport:
    """``height`` rows from ``top`` on are seen; the cursor stands on row ``cursor``."""

    top: int = 0
    height: int = 1
    cursor: int = 0

    def move(self, cursor: int, total: int) -> Viewport:
        """The cursor moved to ``cursor``, scrolled no further than it takes to see it."""
        cursor = max(0, min(cursor, total - 1))
        top = min(max(self.top, cursor - self.height + 1), cursor)
        return replace(self, cursor=cursor, top=_clamp(top, self.height, total))

    def follow(self, cursor: int, total: int) -> Viewport:
        """The row under the cursor is now row ``cursor``, because the list changed.

        Who looks at the top of the list goes on seeing what arrives there, as long as the cursor
        stays in sight. Who has scrolled down sees the rows stand still.
        """
        if not self.sees(self.cursor):
            return replace(self, cursor=cursor, top=_clamp(self.top, self.height, total))
        at_top = self.top == 0 and cursor < self.height
        top = 0 if at_top else self.top + cursor - self.cursor
        return replace(self, cursor=cursor, top=_clamp(top, self.height, total))

    def sees(self, row: int) -> bool:
        return self.top <= row < self.top + self.height


def _clamp(top: int, height: int, total: int) -> int:
    return max(0, min(top, total - height))
