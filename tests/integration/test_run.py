"""`pitwire up` from start to end: it trades, verifies itself, says so in one line, and leaves nothing behind."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.collector import Collector, collecting
from tests.integration.run_world import CONFIG, Run, processes, recorded_candles, running, until_gone

from pitwire.cli.reference.metrics_page import metric_names
from pitwire.cli.run.plan import SERVICES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SPEED = "600"
SECONDS = "20"
TOP_SPEED = "3600"
FILLS_SEEN = 6
STRATEGIES = ("momentum", "mean_reversion")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a run on the generated market that ended by itself, and its summary."""
    folder = tmp_path_factory.mktemp("ended")
    with running(folder, "--for", SECONDS, "--speed", SPEED) as run:
        code, summary = run.wait(timeout_s=150)
        assert code == 0, (summary, run.said())
    assert until_gone(folder) == {}
    return folder, summary


def test_generated_run_trades_both_strategies_verifies_and_ends_with_one_json_line(
    ended: tuple[Path, dict[str, Any]],
) -> None:
    _, summary = ended
    assert summary["candles"] > 0
    assert summary["verify"]["holds"] is True
    assert Decimal(summary["equity"]) > 0
    for strategy in STRATEGIES:
        assert summary["strategies"][strategy]["fills"] > 0, summary
    assert summary["fills"] >= sum(part["fills"] for part in summary["strategies"].values())
    assert summary["speed_reached"] > 0
    assert summary["seconds"] == pytest.approx(float(SECONDS), abs=3)


def test_a_run_that_is_kept_goes_on_where_it_stood(ended: tuple[Path, dict[str, Any]]) -> None:
    folder, first = ended
    with running(folder, "--for", "5", "--speed", SPEED, "--keep") as run:
        code, second = run.wait(timeout_s=150)
        assert code == 0, (second, run.said())
    assert [path.name for path in (folder / ".pitwire" / "runs").iterdir()] == ["1"]
    assert second["candles"] > first["candles"]
    assert second["orders"] >= first["orders"] > 0


def test_a_recorded_run_at_an_hour_a_second_slows_rather_than_lies(tmp_path: Path) -> None:
    """Asked for 60 candles a second and instrument: whatever is reached, no intent or order expires by it, and every
    candle is evaluated as if it had just closed. Two clocks: the market's runs as fast as the slowest service."""
    candles = recorded_candles()
    if not candles.is_dir():
        pytest.skip(f"no recordings at {candles}; name their folder with PITWIRE_DATA")
    with running(tmp_path, "--data", str(candles), "--speed", TOP_SPEED) as run:
        run.until_trading()
        url = run.current()["database_url"].replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as database:

            def count(query: str) -> int:
                found = database.execute(query.encode()).fetchone()
                return found[0] if found else 0

            run.until("fills", lambda: count("select count(*) from fills") >= FILLS_SEEN, timeout_s=120)
            evaluated = count("select count(*) from decision_traces where signal <> 'WARMING_UP'")
            late = count("select count(*) from decision_traces where reason like '% s late%'")
            stale = "('INTENT_EXPIRED', 'STALE_MARK', 'DOUBTFUL_MARKET')"
            denied = count(f"select count(*) from risk_decisions where code in {stale}")
            not_sent = count("select count(*) from orders where order_status = 'NOT_SENT'")
        run.interrupt()
        code, summary = run.wait()
    assert (late, denied, not_sent) == (0, 0, 0)
    assert evaluated > 0
    assert code == 0, summary
    assert summary["market_ended"] is False
    assert 0 < summary["speed_reached"] <= float(TOP_SPEED)
    assert set(summary["strategies"]) == set(STRATEGIES)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
def trading(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Run:
    """A run that goes on until the tests of this file that look at it are through; the last one interrupts it."""
    folder = tmp_path_factory.mktemp("trading")
    run = Run(folder, "--speed", SPEED, env={"PITWIRE_OTLP_ENDPOINT": collector.endpoint})
    run.until_trading()
    return run


def test_psql_shows_orders_fills_positions_and_decisions(trading: Run) -> None:
    url = trading.current()["database_url"].replace("+psycopg", "")
    counts = "select (select count(*) from orders), (select count(*) from fills), (select count(*) from risk_decisions)"

    def rows() -> bool:
        with psycopg.connect(url) as connection:
            found = connection.execute(counts).fetchone()
            return found is not None and all(found)

    trading.until("orders, fills and decisions in the database", rows, timeout_s=90)
    with psycopg.connect(url) as connection:
        kinds = connection.execute(
            "select data_type from information_schema.columns where table_name = 'fills' and column_name = 'price'"
        ).fetchone()
    assert kinds == ("numeric",)


def test_one_trace_leads_from_the_candle_over_the_order_to_the_rows(trading: Run, collector: Collector) -> None:
    url = trading.current()["database_url"].replace("+psycopg", "")
    path = {
        ("market-data", "candle"),
        ("strategy", "intent"),
        ("risk-gate", "risk-gate.decide"),
        ("execution", "execution.submit"),
        ("execution", "execution.append"),
        ("execution", "execution.send"),
        ("persistence", "persistence.store"),
    }

    def whole() -> bool:
        """Whether the trace that the row of a filled order names has a span of every step."""
        with psycopg.connect(url) as connection:
            rows = connection.execute("select o.trace from orders o join fills f using (client_order_id)").fetchall()
        traces = [collector.trace(trace.split("-")[1]) for (trace,) in rows]
        return any({(span.service.removeprefix("pitwire-"), span.name) for span in spans} >= path for spans in traces)

    trading.until("a whole trace", whole, timeout_s=90)


def test_every_process_answers_health_readiness_and_metrics(trading: Run) -> None:
    health = trading.current()["health"]
    assert set(health) == {*SERVICES, "venue-sim"}
    for name, url in health.items():
        for page in ("healthz", "readyz"):
            assert fetched(f"{url}/{page}"), (name, page)
        exposed = text_string_to_metric_families(fetched(f"{url}/metrics"))
        found = {metric.name for metric in exposed if not metric.name.endswith("_created")}
        assert found, name
        assert found <= metric_names(), f"{name} exposes what docs/reference/metrics.md lacks"


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def test_no_key_and_no_password_is_in_a_log_or_on_the_terminal(trading: Run) -> None:
    current = trading.current()
    run_folder = Path(current["run"])
    secrets = [json.loads(path.read_text())["api_secret"] for path in run_folder.glob("keys/*.json")]
    secrets += [path.read_text().strip() for path in run_folder.glob("identities/*.nk")]
    secrets.append(current["database_url"].partition("//")[2].partition("@")[0].partition(":")[2])
    assert len(secrets) > 2
    logs = [path.read_text(errors="replace") for path in run_folder.glob("**/*.log")] + [trading.said()]
    assert [secret for secret in secrets for text in logs if secret in text] == []


def test_a_second_run_in_the_same_folder_is_refused_while_the_first_goes_on(trading: Run) -> None:
    with running(trading.folder, "--data-dir", str(trading.data_dir)) as second:
        assert second._process.wait(30) != 0
        assert "is in use by the process" in second.said()
    assert trading.pitwire("status")[0] == 0


def test_two_checkouts_run_at_once_each_with_its_own_strategies(trading: Run, tmp_path: Path) -> None:
    """The second one runs the strategy that the README shows, from a file beside its configuration."""
    readme = (CONFIG.parent / "README.md").read_text()
    (tmp_path / "dip.py").write_text(readme.partition("```python\n")[2].partition("```")[0])
    config = tmp_path / "pitwire.toml"
    config.write_text(CONFIG.read_text().replace('type = "momentum" ', 'type = "dip.py:Dip"'))
    with running(tmp_path / "run", "--for", "8", "--speed", SPEED, config=config) as other:
        code, summary = other.wait(timeout_s=150)
        assert code == 0, (summary, other.said())
    assert summary["strategies"]["momentum"]["fills"] > 0, summary
    assert trading.pitwire("status")[0] == 0


def test_interrupt_stops_everything_in_order_and_nothing_survives(trading: Run) -> None:
    assert len(processes(trading.folder)) > 8
    trading.interrupt()
    code, summary = trading.wait()
    said = trading.said()
    trading.end()
    assert code == 0, said
    assert summary["verify"] is None
    assert until_gone(trading.folder) == {}
    assert not (trading.data_dir / "current.json").exists()
    assert said.rstrip().endswith("nothing of this run is left running")


def test_nothing_survives_a_killed_supervisor(tmp_path: Path) -> None:
    with running(tmp_path, "--speed", "60") as run:
        run.until_trading()
        run.kill()
        assert until_gone(tmp_path) == {}


def test_interrupt_while_starting_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "--speed", "60") as run:
        run.until("a first process", lambda: len(processes(tmp_path)) > 3)
        run.interrupt()
        code, summary = run.wait()
        assert (code, summary) == (0, {"interrupted": True}), run.said()
    assert until_gone(tmp_path) == {}


def test_a_bad_recording_is_refused_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    recording = tmp_path / "data" / "BTCUSDT_1m_x.csv"
    recording.write_text("open_time_ms,open,high,low,close,volume\n60000,10,9,8,10,1\n")
    with running(tmp_path / "run", "--data", str(tmp_path / "data"), "--for", "5") as run:
        assert run._process.wait(90) == 2
        assert "BTCUSDT_1m_x.csv" in run.said()
    assert until_gone(tmp_path) == {}


def test_an_instrument_that_the_market_lacks_is_refused_by_name(tmp_path: Path) -> None:
    config = tmp_path / "pitwire.toml"
    config.write_text(CONFIG.read_text().replace('"ETH-USDT"', '"DOGE-USDT"').replace("ETH-USDT.sim", "DOGE-USDT.sim"))
    with running(tmp_path / "run", "--for", "5", config=config) as run:
        assert run._process.wait(90) == 2
        assert "DOGE-USDT" in run.said()
    assert until_gone(tmp_path) == {}
