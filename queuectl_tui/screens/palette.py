"""The command palette: what the keys do, found by typing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider

from queuectl_tui.widgets.key_hints import key_name


class KeyCommands(Provider):
    """Every action that a key would start here."""

    async def discover(self) -> Hits:
        for text, binding in self._commands():
            yield DiscoveryHit(text, partial(self._run, binding), help=key_name(binding))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for text, binding in self._commands():
            score = matcher.match(text)
            if score > 0:
                run = partial(self._run, binding)
                yield Hit(score, matcher.highlight(text), run, help=key_name(binding))

    def _commands(self) -> Iterator[tuple[str, Binding]]:
        seen: set[str] = set()
        for found in self.screen.active_bindings.values():
            binding = found.binding
            if binding.id is None or binding.id in seen or not found.enabled:
                continue
            seen.add(binding.id)
            yield binding.tooltip or binding.description, binding

    def _run(self, binding: Binding) -> None:
        self.app.simulate_key(binding.key)
