"""The bottom line: the keys that matter here, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from textual.binding import ActiveBinding, Binding

from queuectl_tui.widgets.one_line import OneLine, Part, Piece, fit

_KEY_NAMES = {
    "enter": "⏎",
    "escape": "esc",
    "space": "space",
    "slash": "/",
    "question_mark": "?",
    "asterisk": "*",
    "backslash": "\\",
    "plus": "+",
    "minus": "-",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


class KeyHints(OneLine):
    """Hints for the bindings with the given ids: where there is no room, the last ones go."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__()
        self._ids = tuple(ids)
        self._idle: Collection[str] = ()

    def leave_out(self, ids: Collection[str]) -> None:
        """Names no binding with one of these ids: where one is, it would do nothing."""
        if ids != self._idle:
            self._idle = ids
            self._compose_line()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self._compose_line())
        self.call_after_refresh(self._compose_line)

    def on_resize(self) -> None:
        self._compose_line()

    def _compose_line(self) -> None:
        active: dict[str, ActiveBinding] = {}
        for found in self.screen.active_bindings.values():
            name = found.binding.id or ""
            if name not in active or _is_shorter(found, active[name]):
                active[name] = found
        parts = [
            Part(-place, _hint(active[name]))
            for place, name in enumerate(self._ids)
            if name in active and name not in self._idle
        ]
        self.show(fit(parts, self.size.width - 2, gap="  "))


def _is_shorter(one: ActiveBinding, other: ActiveBinding) -> bool:
    return len(key_name(one.binding)) < len(key_name(other.binding))


def _hint(found: ActiveBinding) -> tuple[Piece, ...]:
    binding = found.binding
    label = f" {binding.description}"
    if not found.enabled:
        return (Piece(key_name(binding), "dim strike"), Piece(label, "dim strike"))
    action = f"screen.press('{binding.key}')"
    return (Piece(key_name(binding), "bold $accent", action), Piece(label, "", action))


def key_name(binding: Binding) -> str:
    """How people call the binding's key: ``^p``, ``⏎``, ``/``."""
    if binding.key_display:
        return binding.key_display
    *modifiers, key = binding.key.split("+") if binding.key != "plus" else ["plus"]
    name = _KEY_NAMES.get(key, key)
    return "^" * ("ctrl" in modifiers) + name
