"""The shell's side: readiness, progress, alerts; configuration; the command line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pitwire.common.config import ServiceSettings
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import ConfigError
from pitwire.common.telemetry import Log, set_up_logging
from pitwire.common.testing import FakeShell
from pitwire.persistence.__main__ import parse
from pitwire.persistence.adapters.migrate import head, sqlalchemy_url
from pitwire.persistence.adapters.postgres import plain_url
from pitwire.persistence.config import Config, database_url_of
from pitwire.persistence.core.journal import JOURNAL, Notice
from pitwire.persistence.core.tables import Writes
from pitwire.persistence.core.trading_rows import BalanceRow
from pitwire.persistence.handlers.report import STANDSTILL_ALERT_S, ShellReport
from pitwire.persistence.migrations import HEAD

SHIPPED = Path(__file__).parents[3] / "pitwire.toml"


class Host(FakeShell):
    """The fake shell with what persistence shows of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = CollectorRegistry()
        self.log: Log = set_up_logging("persistence", "0", "ERROR")
        self.ready = False
        self.lag = 0

    def set_ready(self, ready: bool) -> None:
        self.ready = ready


def writes(count: int) -> Writes:
    found = Writes()
    for number in range(count):
        found.add(BalanceRow("main", "a", f"A{number}", Decimal(1), 1))
    return found


def test_it_is_ready_once_every_stream_was_read_and_nothing_stands_still() -> None:
    host = Host()
    report = ShellReport(host, (JOURNAL, "CTL"))
    before: list[bool] = []
    for stream in (JOURNAL, "CTL"):
        report.caught_up(stream)
        before.append(host.ready)
    assert before == [False, True]
    seen: list[bool] = []
    for reason in ("the database is down", ""):
        report.waits("CTL", reason)
        seen.append(host.ready)
    assert seen == [False, True]


async def test_a_long_standstill_is_told_once_and_told_again_only_after_it_ended() -> None:
    host = Host()
    report = ShellReport(host, (JOURNAL,))
    for _ in range(5):
        report.waits(JOURNAL, "down")
        host.clock.advance(ns=int(STANDSTILL_ALERT_S * 0.4e9))
    await host.settle()
    assert [(severity, code) for severity, code, _ in host.alerts] == [(AlertSeverity.CRITICAL, "STANDSTILL")]
    report.waits(JOURNAL, "")
    report.waits(JOURNAL, "down")
    await host.settle()
    assert len(host.alerts) == 1


async def test_progress_is_told_after_each_candle_and_rows_are_counted() -> None:
    host = Host()
    report = ShellReport(host, (JOURNAL,))
    report.stored(JOURNAL, sequence=9, pending=4, market_ns=0, writes=writes(3))
    report.stored("CANDLES", sequence=2, pending=0, market_ns=77, writes=None)
    report.stored("CANDLES", sequence=3, pending=0, market_ns=76, writes=None)
    assert host.reached == [77]
    shown = generate_latest(host.registry).decode()
    assert 'pitwire_persistence_rows_total{table="balances"} 3.0' in shown
    assert 'pitwire_persistence_cursor{stream="OMS"} 9.0' in shown
    assert 'pitwire_persistence_pending{stream="OMS"} 4.0' in shown
    await report.notice(Notice(AlertSeverity.WARNING, "X", "text", "main"))
    assert host.alerts == [(AlertSeverity.WARNING, "X", "text")]


def test_configuration_names_database_and_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITWIRE_CONFIG", str(SHIPPED))
    monkeypatch.setenv("PITWIRE_DATABASE_URL", "postgresql://x")
    config = Config.from_env()
    assert config.quotes["main"] == "USDT"
    assert config.database_url == "postgresql://x"
    assert config.config_hash


def test_without_a_database_it_says_which_variable_is_missing() -> None:
    with pytest.raises(ConfigError, match="PITWIRE_DATABASE_URL"):
        database_url_of(ServiceSettings())


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_both_spellings_of_an_address_are_understood(scheme: str) -> None:
    url = f"{scheme}://u:p@h:1/d?x=1"
    assert plain_url(url).endswith("://u:p@h:1/d?x=1")
    assert "+" not in plain_url(url)
    assert sqlalchemy_url(url) == "postgresql+psycopg://u:p@h:1/d?x=1"


def test_the_migrator_knows_the_same_head() -> None:
    assert head() == HEAD


def test_the_command_line_serves_or_migrates(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse([]).command is None
    found = parse(["migrate", "--to", "0001", "--down"])
    assert (found.command, found.to, found.down) == ("migrate", "0001", True)
    with pytest.raises(SystemExit):
        parse(["nonsense"])
    assert "invalid choice" in capsys.readouterr().err
