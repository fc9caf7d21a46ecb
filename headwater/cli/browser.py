"""The browser of `headwater show --browse`: tables on the left, rows on the right, read a page at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from headwater.cli.aligned import cell
from headwater.errors import HeadwaterError
from headwater.log import printable
from headwater.reading import Selection, Sort, TableName, Warehouse

PAGE_ROWS = 200


@dataclass(slots=True)
class Shown:
    """What the rows on the screen are: a table, what was chosen of it, and how far it has been read."""

    table: TableName
    columns: list[tuple[str, str]]
    total: int
    selection: Selection = field(default_factory=lambda: Selection(limit=PAGE_ROWS))
    read: int = 0
    more: bool = True


class WholeValue(ModalScreen[None]):
    """One value, whole; any of the keys closes it."""

    BINDINGS = [Binding("escape,enter,q", "dismiss", "close")]  # noqa: RUF012 - textual's own form
    DEFAULT_CSS = """
    WholeValue { align: center middle; }
    WholeValue VerticalScroll { width: 80%; height: 60%; border: round $accent; padding: 0 1; background: $surface; }
    """

    def __init__(self, title: str, value: str) -> None:
        super().__init__()
        self._title = title
        self._value = value

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = Text(self._title)
            yield Static(Text(self._value))


class Browser(App[None]):
    """Walks through what a warehouse holds."""

    TITLE = "headwater show"
    BINDINGS = [  # noqa: RUF012 - textual's own form
        Binding("q", "quit", "quit"),
        Binding("s", "sort", "sort by column"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("escape", "leave_filter", "back", show=False),
    ]
    CSS = """
    #tables { width: 34; height: 1fr; border: round $primary; }
    #rows { height: 1fr; border: round $primary; }
    #said { height: 1; padding: 0 1; }
    Input { display: none; }
    Input.asked { display: block; }
    """

    def __init__(self, warehouse: Warehouse) -> None:
        super().__init__()
        self._warehouse = warehouse
        self._tables = warehouse.tables()
        self._shown: Shown | None = None
        self._values: list[tuple[str | None, ...]] = []

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield OptionList(*(Option(self._label(table)) for table in self._tables), id="tables")
            with Vertical():
                yield DataTable(id="rows")
                yield Static(id="said")
                yield Input(placeholder="a condition in SQL, such as: total > 10", id="condition")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        if not self._tables:
            self._say("There are no tables yet.")

    def _label(self, table: TableName) -> Text:
        return Text(f"{cell(str(table))}  {self._warehouse.count(table):,}")

    # --- what is shown

    @on(OptionList.OptionHighlighted, "#tables")
    def _choose(self, event: OptionList.OptionHighlighted) -> None:
        table = self._tables[event.option_index]
        self._show(Shown(table, self._warehouse.columns(table), self._warehouse.count(table)))

    def _show(self, shown: Shown) -> None:
        """Read the first page of a choice; one that the database refuses leaves the screen as it was."""
        try:
            shown.total = self._warehouse.count(shown.table, shown.selection.where)
            first = self._warehouse.rows(shown.table, shown.selection)
        except HeadwaterError as error:
            self._say(str(error))
            return
        self._shown, self._values = shown, []
        rows = self.query_one(DataTable)
        rows.clear(columns=True)
        rows.border_title = Text(cell(str(shown.table)))
        for name, kind in shown.columns:
            rows.add_column(Text.assemble(cell(name), " ", (kind, "dim"), _arrow(shown.selection.sort, name)))
        self._append(first.rows, more=first.more)

    def _append(self, values: list[tuple[str | None, ...]], *, more: bool) -> None:
        assert self._shown is not None
        self._shown.read += len(values)
        self._shown.more = more
        self._values += values
        rows = self.query_one(DataTable)
        for row in values:
            rows.add_row(*(Text(cell(value), "dim" if value is None else "") for value in row))
        where = f" where {self._shown.selection.where}" if self._shown.selection.where else ""
        self._say(f"{self._shown.read:,} of {self._shown.total:,} rows read{where}")

    @on(DataTable.CellHighlighted, "#rows")
    def _near_the_end(self, event: DataTable.CellHighlighted) -> None:
        """Read the next page when the cursor comes to the last rows that were read."""
        shown = self._shown
        if shown is None or not shown.more or event.coordinate.row < shown.read - 1:
            return
        page = self._warehouse.rows(shown.table, replace(shown.selection, offset=shown.read))
        self._append(page.rows, more=page.more)

    # --- what keys do

    @on(DataTable.CellSelected, "#rows")
    def _whole_value(self, event: DataTable.CellSelected) -> None:
        assert self._shown is not None
        row, column = event.coordinate
        value = self._values[row][column]
        self.push_screen(WholeValue(self._shown.columns[column][0], "NULL" if value is None else printable(value)))

    @on(DataTable.HeaderSelected, "#rows")
    def _sort_by_header(self, event: DataTable.HeaderSelected) -> None:
        self._sort_by(event.column_index)

    def action_sort(self) -> None:
        """Sort by the column the cursor is in: upwards, downwards, and not at all."""
        if self._shown is not None:
            self._sort_by(self.query_one(DataTable).cursor_column)

    def _sort_by(self, column: int) -> None:
        assert self._shown is not None
        name = self._shown.columns[column][0]
        up, down = (Sort(name),), (Sort(name, descending=True),)
        following: dict[tuple[Sort, ...], tuple[Sort, ...]] = {up: down, down: ()}
        sort = following.get(self._shown.selection.sort, up)
        self._again(replace(self._shown.selection, sort=sort))
        self.query_one(DataTable).move_cursor(row=0, column=column)

    def action_filter(self) -> None:
        condition = self.query_one(Input)
        condition.add_class("asked")
        condition.focus()

    @on(Input.Submitted, "#condition")
    def _filtered(self, event: Input.Submitted) -> None:
        self._again(replace(self._shown.selection, where=event.value.strip() or None) if self._shown else None)
        self.action_leave_filter()

    def action_leave_filter(self) -> None:
        self.query_one(Input).remove_class("asked")
        self.query_one(DataTable).focus()

    def _again(self, selection: Selection | None) -> None:
        if self._shown is not None and selection is not None:
            self._show(Shown(self._shown.table, self._shown.columns, 0, selection))

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(Text(printable(text).replace("\n", " ")))


def _arrow(sort: tuple[Sort, ...], column: str) -> str:
    return "".join(" ▼" if each.descending else " ▲" for each in sort if each.column == column)
