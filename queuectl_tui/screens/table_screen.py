"""What the screens with one table share: a header, a title, the table, the keys; orders given."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget

from queuectl_tui.screens.live import LiveScreen, Picture
from queuectl_tui.screens.session import Answer, Lane, Session
from queuectl_tui.screens.talk import complain, say, voice_of
from queuectl_tui.widgets.banner import Banner
from queuectl_tui.widgets.key_hints import KeyHints
from queuectl_tui.widgets.named_table import NamedTable
from queuectl_tui.widgets.one_line import OneLine, Piece
from queuectl_tui.widgets.row_table import RowTable
from queuectl_tui.widgets.store_header import Health, StoreHeader
from store import QueueError

if TYPE_CHECKING:
    from store.queue import Queue


class TableScreen(LiveScreen[Picture]):
    """``HINTS`` are the bindings that the bottom line tells of."""

    HINTS: ClassVar[tuple[str, ...]]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.voice = voice_of(self)
        self._title: tuple[Piece, ...] = ()
        self._note = ""

    @abstractmethod
    def body(self) -> Iterable[Widget]:
        """The table, and what stands below it."""

    @property
    def table(self) -> RowTable[Any]:
        return self.query_one(RowTable)

    def compose(self) -> ComposeResult:
        yield StoreHeader(self.session.place, read_only=self.session.read_only)
        yield Banner()
        yield OneLine(classes="list-title")
        yield from self.body()
        yield KeyHints(self.HINTS)

    def on_mount(self) -> None:
        self.table.focus()

    def tick(self, now: int) -> None:
        self.table.tick(now)

    def show_health(self, health: Health) -> None:
        self.query_one(StoreHeader).show_health(health)
        self.query_one(Banner).show_error(health.error)

    def show_title(self, *pieces: Piece, note: str = "") -> None:
        """What the line over the table says: how many rows are marked stands before the ``note``,
        of what is wrong."""
        self._title, self._note = pieces, note
        self._show_marks()

    @on(NamedTable.MarksChanged)
    def _show_marks(self) -> None:
        table = self.table
        marked = table.marked if isinstance(table, NamedTable) else 0
        more = Piece(f" · {marked:,} marked" if marked else "", "bold $accent")
        note = Piece(f"   ▲ {self._note}" if self._note else "", "bold $warning")
        self.query_one(".list-title", OneLine).show([*self._title, more, note])

    async def order(self, give: Callable[[Queue], Answer], told: Callable[[Answer], str]) -> None:
        """Has something changed, and says what was, or why not."""
        try:
            answer = await self.session.call(Lane.CHANGES, give)
        except (QueueError, OSError) as error:
            complain(self, str(error))
        else:
            say(self, told(answer))
        self.expect()


def counted(number: int, name: str) -> str:
    """``1 error``, ``2 errors``."""
    return f"{number:,} {name}" + ("" if number == 1 else "s")
