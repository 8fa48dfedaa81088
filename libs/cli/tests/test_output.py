"""Answers and errors as people and as programs get them."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.output import Column, Format, Reply, Table, code_of, finish, json_text
from pitwire.cli.servers import ServerError
from pitwire.common.errors import (
    AppendRefused,
    BusUnavailable,
    ConfigError,
    OutcomeUnknown,
    PitwireError,
    StoreUnavailable,
    UsageError,
)

TABLE = Table("t", (Column("name"), Column("quantity", right=True)), (("BTC", "1"),), "nothing held")


def finished(work: Callable[[], Reply], output: Format, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        finish(work, output)
    found = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, found.out, found.err


def raising(error: Exception) -> Callable[[], Reply]:
    def work() -> Reply:
        raise error

    return work


def test_json_is_one_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = finished(lambda: Reply({"a": Decimal("0.10")}, (TABLE,)), Format.JSON, capsys)
    assert (code, json.loads(out), err) == (0, {"a": "0.1"}, "")
    assert out.count("\n") == 1


def test_text_shows_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = finished(lambda: Reply([], (TABLE,)), Format.TEXT, capsys)
    assert "BTC" in out
    assert "quantity" in out


def test_a_table_without_rows_says_what_that_means(capsys: pytest.CaptureFixture[str]) -> None:
    empty = Table("t", TABLE.columns, (), "nothing held; do this next")
    _, out, _ = finished(lambda: Reply([], (empty,)), Format.TEXT, capsys)
    assert out == "nothing held; do this next\n"


def test_the_exit_code_of_the_reply_is_that_of_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert finished(lambda: Reply({}, (), ExitCode.NO), Format.JSON, capsys)[0] == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), ExitCode.USAGE),
        (ConfigError(where="f", what="x"), ExitCode.USAGE),
        (BusUnavailable("x"), ExitCode.UNREACHABLE),
        (StoreUnavailable("x"), ExitCode.UNREACHABLE),
        (OutcomeUnknown("x"), ExitCode.UNANSWERED),
        (AppendRefused("x"), ExitCode.NO),
        (ServerError("x"), ExitCode.FAILED),
        (PitwireError("x"), ExitCode.FAILED),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: PitwireError, code: ExitCode) -> None:
    assert code_of(error) is code


def test_an_error_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = finished(raising(BusUnavailable("no bus")), Format.JSON, capsys)
    assert code == 3
    assert json.loads(out) == {"error": {"code": "BUS_UNAVAILABLE", "text": "no bus"}}
    assert err == "BUS_UNAVAILABLE: no bus\n"


def test_a_defect_is_shown_whole_and_is_never_taken_for_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = finished(raising(KeyError("k")), Format.JSON, capsys)
    assert code == ExitCode.FAILED
    assert json.loads(out)["error"]["code"] == "DEFECT"
    assert "Traceback" in err


def test_decimals_leave_without_exponent_and_without_losing_a_digit() -> None:
    assert json_text([Decimal("1E+3"), Decimal("0E-8"), Decimal("0.000000012345678901234567890")]) == (
        '["1000","0","0.00000001234567890123456789"]'
    )


def test_every_exit_code_has_a_meaning() -> None:
    assert all(code.meaning for code in ExitCode)
