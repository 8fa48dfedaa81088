"""The only place that writes to the terminal: tables for people, one JSON document for programs."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

from pitwire.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

BAR_WIDTH = 40
Document = dict[str, Any] | list[Any]


class Format(StrEnum):
    """How a command answers."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; numbers stand `right`."""

    name: str
    right: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for people. `empty` is said instead of a table without rows, and names the next step."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command found: the document for programs, the parts for people, and the exit code.

    Without parts people get the document too.
    """

    document: Document
    parts: tuple[Table | str, ...] = ()
    code: ExitCode = ExitCode.OK


def finish(work: Callable[[], Reply], output: Format) -> NoReturn:
    """Runs a command, writes its reply or its error, and exits with the documented code."""
    from pitwire.common.errors import PitwireError

    try:
        reply = work()
    except PitwireError as error:
        _write_error(error.code, str(error), output)
        sys.exit(code_of(error))
    except KeyboardInterrupt:
        note("interrupted")
        sys.exit(ExitCode.UNANSWERED)
    except Exception as error:  # noqa: BLE001 - the last stop: a defect is shown whole and has its own exit code
        traceback.print_exc()
        _write_error("DEFECT", f"{type(error).__name__}: {error}", output)
        sys.exit(ExitCode.FAILED)
    write(reply, output)
    sys.exit(reply.code)


def code_of(error: Exception) -> ExitCode:
    """The exit code that an error of Pitwire's own stands for."""
    from pitwire.common.errors import AppendRefused, OutcomeUnknown, TransientError, UsageError

    if isinstance(error, UsageError):
        return ExitCode.USAGE
    if isinstance(error, TransientError):
        return ExitCode.UNREACHABLE
    if isinstance(error, OutcomeUnknown):
        return ExitCode.UNANSWERED
    if isinstance(error, AppendRefused):
        return ExitCode.NO
    return ExitCode.FAILED


def write(reply: Reply, output: Format) -> None:
    """The reply on standard output, in the form that was asked for."""
    if output is Format.JSON or not reply.parts:
        write_line(reply.document)
        return
    console = _console(sys.stdout)
    for part in reply.parts:
        if isinstance(part, str):
            console.print(part, highlight=False, markup=False, soft_wrap=True)
        elif part.rows:
            if part.title:
                console.print(part.title, highlight=False, markup=False, soft_wrap=True)
            console.print(_rich_table(part))
        else:
            console.print(part.empty, highlight=False, markup=False, soft_wrap=True)


def write_line(document: Document) -> None:
    """One JSON document as one line on standard output."""
    sys.stdout.write(json_text(document) + "\n")
    sys.stdout.flush()


def write_text(text: str) -> None:
    """One line for people on standard output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def json_text(document: Any) -> str:
    """Decimals as text, times as ISO 8601: nothing on its way out loses a digit."""
    import orjson

    return orjson.dumps(document, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()


def note(text: str) -> None:
    """One line for the person at the terminal, on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that fills with each call of (done, of how many), on standard error; none where that is no terminal."""
    is_shown = sys.stderr.isatty()

    def show(done: int, total: int) -> None:
        filled = BAR_WIDTH * done // max(total, 1)
        if is_shown:
            sys.stderr.write(f"\r{title} [{'#' * filled:<{BAR_WIDTH}}] {done:,} of {total:,}")
            sys.stderr.flush()

    try:
        yield show
    finally:
        if is_shown:
            sys.stderr.write("\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value else "0"
    return str(value)


def _write_error(code: str, text: str, output: Format) -> None:
    if output is Format.JSON:
        write_line({"error": {"code": code, "text": text}})
    note(f"{code}: {text}")


def _console(stream: Any) -> Console:
    from rich.console import Console

    terminal = stream.isatty()
    return Console(file=stream, width=None if terminal else 200, highlight=False)


def _rich_table(table: Table) -> Any:
    from rich import box
    from rich.table import Table as RichTable

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        drawn.add_column(column.name, justify="right" if column.right else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*row)
    return drawn
