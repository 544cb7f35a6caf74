"""The app's colours. A state is a word and a glyph in each of them, so that none is needed."""

from __future__ import annotations

from dataclasses import replace

from textual.theme import BUILTIN_THEMES, Theme

DEFAULT_THEME = "dark"
ANSI_THEME = "ansi-16"
"""For terminals of 16 colours, which each have their own idea of them."""
_CURSOR = {True: 32, False: 20}
"""How much colour the cursor's row has, in percent, on dark ground and on light."""


def _with_rows(theme: Theme) -> Theme:
    """``theme``, and how a table shows its cursor and its marks in it."""
    rows = {
        "row-cursor": f"{theme.primary} {_CURSOR[theme.dark]}%",
        "row-cursor-blurred": f"{theme.primary} {_CURSOR[theme.dark] // 2}%",
        "row-cursor-text": theme.foreground or "",
        "row-cursor-style": "bold",
        "row-marked": f"{theme.accent} 18%",
    }
    return replace(theme, variables={**theme.variables, **rows})


_DARK = _with_rows(
    replace(
        BUILTIN_THEMES["textual-dark"],
        name="dark",
        panel="#2b2f33",  # of less saturation than what 256 colours have as navy and teal
    )
)
_LIGHT = _with_rows(
    replace(
        BUILTIN_THEMES["textual-light"],
        name="light",
        primary="#0057a8",
        accent="#8a4b00",
        warning="#8a4b00",
        error="#a8123a",
        success="#14692f",
        foreground="#1a1a1a",
    )
)
_COLOUR_BLIND = _with_rows(
    Theme(
        name="colour-blind",
        primary="#56b4e9",
        secondary="#0072b2",
        accent="#f0e442",
        warning="#e69f00",
        error="#ff7f2a",
        success="#56b4e9",
        foreground="#e6e6e6",
        background="#101010",
        surface="#1c1c1c",
        panel="#262626",
    )
)
_ANSI = BUILTIN_THEMES["ansi-dark"]
_ANSI_16 = replace(
    _ANSI,
    name=ANSI_THEME,
    primary="ansi_cyan",
    accent="ansi_yellow",
    variables={
        **_ANSI.variables,
        "row-cursor": "ansi_default",
        "row-cursor-blurred": "ansi_default",
        "row-cursor-text": "ansi_default",
        "row-cursor-style": "bold reverse",
        "row-marked": "ansi_default",
    },
)

THEMES = {theme.name: theme for theme in (_DARK, _LIGHT, _ANSI_16, _COLOUR_BLIND)}
"""By name. ``colour-blind`` tells by brightness, and by blue against orange."""

COLOURLESS = _ANSI_16
"""What ``NO_COLOR`` strips of its colours: what stands out is bold, dim or reversed."""
