"""What `pitwire history fetch` says: how much came, how much was there, and where candles are missing."""

from __future__ import annotations

from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.history.fetch import Fetched, Wanted
from pitwire.cli.history.pages import Gap, moment_ns
from pitwire.cli.output import Table
from pitwire.cli.views.history import _reply

FROM_NS = moment_ns("2024-08-05", "--since")
WANTED = Wanted("BTC-USDT.sim", "1h", FROM_NS, moment_ns("2024-08-06", "--until"))


def test_a_whole_stretch_is_a_yes() -> None:
    reply = _reply(WANTED, Fetched(stored=20, there=4))
    assert reply.code is ExitCode.OK
    assert reply.parts[-1] == ("2024-08-05T00:00 to 2024-08-06T00:00: 20 stored, 4 were there, 0 missing in 0 gaps")


def test_each_gap_is_told_with_its_length_and_makes_it_a_no() -> None:
    gap = Gap(moment_ns("2024-08-05T03:00", "--since"), 2)
    reply = _reply(WANTED, Fetched(stored=22, gaps=(gap,)))
    assert reply.code is ExitCode.NO
    table = reply.parts[0]
    assert isinstance(table, Table)
    assert table.rows == (("2024-08-05T03:00", "2024-08-05T05:00", "2"),)
    assert isinstance(reply.document, dict)
    assert reply.document["gaps"] == [{"from": "2024-08-05T03:00", "candles": 2}]


def test_what_could_not_be_read_is_a_no_too() -> None:
    assert _reply(WANTED, Fetched(stored=24, malformed=1)).code is ExitCode.NO
