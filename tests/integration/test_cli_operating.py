"""An operator at work on a running system: looking, ordering, halting under load, resuming, limiting, flattening."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.integration.run_world import CONFIG, Run, running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

BTC = "BTC-USDT.sim"
SPEED = "240"
QUIET_S = 3.0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with running(tmp_path_factory.mktemp("operating"), "--speed", SPEED) as system:
        system.until_trading()
        yield system


def orders(run: Run, *words: str) -> list[dict[str, Any]]:
    code, found = run.pitwire("orders", "-n", "10000", *words)
    assert code == 0
    return list(found)


def buy(run: Run, quantity: str = "0.01", *words: str) -> tuple[int, Any]:
    return run.pitwire("order", "BUY", quantity, BTC, "--reason", "test", *words)


def test_status_is_ready_and_names_every_service(run: Run) -> None:
    code, found = run.pitwire("status")
    assert code == 0
    assert {service["state"] for service in found["services"]} == {"ready"}
    assert found["accounts"][0]["trading_state"] == "ACTIVE"
    assert found["halts"] == []


@pytest.mark.parametrize("command", ["positions", "orders", "fills", "pnl", "strategies", "limits", "logs"])
def test_every_looking_command_answers_with_one_document(run: Run, command: str) -> None:
    code, found = run.pitwire(command)
    assert code == 0, found


def test_doctor_sees_the_running_system(run: Run) -> None:
    code, found = run.pitwire("doctor", "--config", str(CONFIG))
    assert code == 0, found
    figures = {check["name"]: check["figure"] for check in found["checks"]}
    assert "journal at" in figures["bus"]
    assert "PostgreSQL" in figures["database"]


def test_a_process_of_another_configuration_stops_trading_and_doctor_and_status_name_it(run: Run) -> None:
    """Heard beside the others, as the one that a half-finished update forgot; it is over when it falls silent."""
    program = (
        "import asyncio, sys, time, nats\n"
        "from pitwire.common import codec\n"
        "from pitwire.common.schemas.control import Heartbeat\n"
        "async def main():\n"
        "    bus = await nats.connect(sys.argv[1], nkeys_seed=sys.argv[2], inbox_prefix=b'_INBOX_execution')\n"
        "    while True:\n"
        "        odd = Heartbeat(service='execution', slot='b', instance='i', ts_ns=time.time_ns(), config_hash='c')\n"
        "        await bus.publish('svc.execution.b.heartbeat', codec.encode(odd), headers=codec.headers_for(odd))\n"
        "        await asyncio.sleep(0.2)\n"
        "asyncio.run(main())\n"
    )
    current = run.current()
    seed = str(Path(current["run"]) / "identities" / "execution.nk")
    odd = "execution b (no build): other configuration"
    with subprocess.Popen([sys.executable, "-c", program, current["nats_url"], seed]) as process:
        try:
            run.until("the odd one in the status", lambda: run.pitwire("status")[1]["disagreement"] == odd)
            code, found = run.pitwire("doctor", "--config", str(CONFIG))
            checks = {check["name"]: check for check in found["checks"]}
            assert (code, checks["agreement"]["state"], checks["agreement"]["figure"]) == (1, "bad", odd)
            assert checks["agreement"]["advice"]
            run.until("the denial", lambda: "DISAGREEMENT" in buy(run)[1]["text"])
        finally:
            process.kill()
    run.until("a passing order", lambda: buy(run, "0.001")[0] == 0)
    assert run.pitwire("doctor", "--config", str(CONFIG))[0] == 0


def test_tables_are_for_people(run: Run) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pitwire.cli", "status"], cwd=run.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "risk-gate" in done.stdout
    assert "no halt: everything may trade" in done.stdout


def test_a_manual_order_goes_through_the_gate_to_the_venue_and_is_booked(run: Run) -> None:
    code, found = buy(run)
    assert code == 0, found
    assert found["status"] == "DONE"
    assert any(report["order_status"] == "FILLED" for report in found["reports"]), found

    def booked() -> bool:
        return any(
            order["client_order_id"] == found["client_order_id"] for order in orders(run, "--strategy", "manual")
        )

    run.until("the order in the database", booked)
    _, held = run.pitwire("positions", "--strategy", "manual")
    assert Decimal(held[0]["quantity"]) > 0


def test_an_order_above_the_limit_is_denied_with_code_limit_and_observed(run: Run) -> None:
    code, found = buy(run, "5")
    assert code == 1
    assert found["status"] == "REFUSED"
    assert "ORDER_VALUE_EXCEEDED limit=10000 observed=" in found["text"]


def test_an_order_that_the_venue_rejects_is_told_with_its_reason(run: Run) -> None:
    code, found = buy(run, "0.01", "--price", "1000")
    assert code == 1
    assert found["status"] == "DONE"
    assert "PERCENT_PRICE" in found["reports"][-1]["reason"]


def test_a_limit_order_works_until_it_is_cancelled(run: Run) -> None:
    _, bought = buy(run)
    traded = Decimal(bought["reports"][-1]["last_price"])
    code, placed = buy(run, "0.01", "--price", str(round(traded * Decimal("0.9"), 1)))
    assert code == 0, placed

    def working() -> bool:
        return placed["client_order_id"] in [order["client_order_id"] for order in orders(run, "--working")]

    run.until("the working order", working)
    assert run.pitwire("cancel", placed["client_order_id"], "--reason", "test")[0] == 0
    run.until("its end", lambda: not working())


def test_halt_stops_new_orders_under_load_and_resume_restores_them(run: Run) -> None:
    code, halted = run.pitwire("halt", "--reason", "test")
    assert code == 0, halted
    assert halted["acknowledged_by"] == "execution"
    assert halted["elapsed_ms"] < 1000
    assert run.pitwire("status")[1]["halts"][0]["halt_id"] == halted["halt_id"]
    time.sleep(1)
    before = {order["client_order_id"] for order in orders(run)}
    code, denied = buy(run)
    assert (code, "TRADING_HALTED" in denied["text"]) == (1, True), denied
    time.sleep(QUIET_S)
    assert {order["client_order_id"] for order in orders(run)} == before
    code, resumed = run.pitwire("resume", "--reason", "test")
    assert (code, resumed["cleared"]) == (0, [halted["halt_id"]]), resumed
    run.until("a passing order", lambda: buy(run, "0.001")[0] == 0)
    assert run.pitwire("status")[1]["halts"] == []


def test_resume_of_a_halt_that_does_not_hold_is_a_usage_error(run: Run) -> None:
    code, found = run.pitwire("resume", "nothing-like-it")
    assert (code, found["error"]["code"]) == (2, "USAGE")


def test_a_halt_written_by_hand_holds(run: Run) -> None:
    """What the README shows for `nats pub`: plain JSON, published by anybody with the operator's key."""
    program = (
        "import asyncio, sys, nats\n"
        "async def main():\n"
        "    bus = await nats.connect(sys.argv[1], nkeys_seed=sys.argv[2], inbox_prefix=b'_INBOX_operator')\n"
        "    await bus.publish('oms.halt.operator', sys.argv[3].encode(), headers={'Schema': 'Halt/1'})\n"
        "    await bus.flush(); await bus.close()\n"
        "asyncio.run(main())\n"
    )
    current = run.current()
    halt = json.dumps({"halt_id": "by-hand", "scope": "ALL", "reason": "test", "source": "operator"})
    subprocess.run([sys.executable, "-c", program, current["nats_url"], current["operator_seed"], halt], check=True)
    run.until("the halt", lambda: [h["halt_id"] for h in run.pitwire("status")[1]["halts"]] == ["by-hand"])
    assert buy(run)[0] == 1
    assert run.pitwire("resume", "by-hand", "--reason", "test")[0] == 0


def test_a_limit_can_be_tightened_and_is_shown_from_the_ledger(run: Run) -> None:
    assert run.pitwire("limits", "--set", "order_value_max=100", "--reason", "test")[0] == 0
    run.until("the denial", lambda: "ORDER_VALUE_EXCEEDED limit=100 " in buy(run)[1]["text"])
    run.until("the new limit", lambda: run.pitwire("limits")[1][0]["source"] == "ledger")
    rows = {row["name"]: row["limit"] for row in run.pitwire("limits")[1][0]["limits"]}
    run.until("version 2", lambda: run.pitwire("limits")[1][0]["limits_version"] == 2)
    assert set(rows) >= {"order_value_max", "drawdown_max_percent"}
    code, refused = run.pitwire("limits", "--set", "order_value_max=-5", "--reason", "test")
    assert (code, refused["status"]) == (1, "REFUSED")
    assert run.pitwire("limits", "--set", "order_value_max=10000", "--reason", "test")[0] == 0


def test_a_paused_strategy_is_shown_as_paused_until_it_is_released(run: Run) -> None:
    def state() -> str:
        return str(next(row["state"] for row in run.pitwire("strategies")[1] if row["strategy"] == "momentum"))

    assert run.pitwire("pause", "momentum", "--reason", "test")[0] == 0
    run.until("the pause", lambda: state() == "paused: test")
    assert run.pitwire("pause", "momentum", "--release", "--reason", "test")[0] == 0
    run.until("the release", lambda: state() == "running")


def test_flatten_closes_what_the_scope_holds(run: Run) -> None:
    assert buy(run)[0] == 0

    def held() -> list[Any]:
        return list(run.pitwire("positions", "--strategy", "manual")[1])

    run.until("a position", lambda: bool(held()))
    code, found = run.pitwire("flatten", "--strategy", "manual", "--reason", "test")
    assert code == 0, found
    run.until("a flat sub-ledger", lambda: all(Decimal(row["quantity"]) < Decimal("0.00001") for row in held()))


def test_why_tells_what_a_strategy_saw(run: Run) -> None:
    run.until("an evaluation", lambda: run.pitwire("why", "momentum")[0] == 0)
    _, found = run.pitwire("why", "momentum", "-n", "3")
    assert len(found) == 3
    assert found[0]["signal"] in ("BUY", "SELL", "HOLD", "WARMING_UP")


def test_verify_holds_on_the_running_system(run: Run) -> None:
    code, found = run.pitwire("verify")
    assert code == 0, found
    assert found["holds"] is True
    assert len(found["checks"]) >= 15


def test_every_decision_of_the_run_is_made_again_from_its_journal(run: Run) -> None:
    code, found = run.pitwire("replay")
    assert code == 0, found
    again = found["accounts"]["main"]
    assert again["verdicts"] - again["not_repeatable"] >= 5
    assert found["incomplete"] == []
    strategies = found["strategies"].values()
    assert sum(each["same"] for each in strategies) == sum(each["intents"] for each in strategies) >= 3


def transfer(run: Run, amount: str) -> None:
    """Somebody moves money at the venue."""
    control = run.current()["venue"]["control"]
    wish = json.dumps({"kind": "transfer", "asset": "USDT", "amount": amount}).encode()
    urllib.request.urlopen(f"{control}/fault", wish, timeout=10).close()


def test_while_a_venue_account_disagrees_it_only_reduces_until_an_operator_has_decided(run: Run) -> None:
    """I-9, and a halt that only a recorded command ends."""
    code, found = run.pitwire("reconcile")
    assert (code, found["agrees"]) == (0, True), found
    transfer(run, "250")
    run.until("a halt", lambda: run.pitwire("status")[1]["halts"])
    code, found = run.pitwire("reconcile")
    assert code == 1
    assert [line["what"] for line in found["differences"]] == ["balance USDT"]
    assert buy(run)[0] == 1, "it only reduces"
    code, found = run.pitwire("reconcile", "--adopt", "--reason", "a deposit nobody had recorded")
    assert code == 0, found
    assert [command["status"] for command in found["commands"]] == ["DONE", "DONE"]
    code, found = run.pitwire("reconcile")
    assert (code, found["agrees"], found["halts"]) == (0, True, [])
    assert buy(run)[0] == 0
    transfer(run, "-250")
    run.until("another halt", lambda: run.pitwire("status")[1]["halts"])
    code, found = run.pitwire("reconcile", "--ignore", "--reason", "it comes back tomorrow")
    assert code == 0, found
    code, found = run.pitwire("reconcile")
    assert (code, found["agrees"], found["halts"]) == (1, False, [])
    assert buy(run)[0] == 0, "it trades on with the difference"
    transfer(run, "250")


def test_golive_check_names_every_reason_not_to_take_the_next_step(run: Run) -> None:
    """The run before this test has been halted and resumed; it is paper, so a testnet is next and live is not."""
    current = Path(run.current()["config"])
    paper = current.read_text()
    assert 'mode = "paper"' in paper
    candidate = current.with_name("candidate.toml")
    testnet = paper.replace('mode = "paper"', 'mode = "testnet"')
    candidate.write_text(testnet.replace("[venues.sim]", '[venues.sim]\nnetwork = "testnet"'))
    run.until(
        "readiness", lambda: all(s["state"] == "ready" for s in run.pitwire("status")[1]["services"]), timeout_s=90
    )
    code, found = run.pitwire("golive", "check", "--config", str(candidate))
    assert code == 1
    reasons = {check["name"]: check["reason"] for check in found["checks"] if not check["ok"]}
    assert set(reasons) <= {"sim-main USDT", "data quality"}, reasons
    assert "capital says 100000" in reasons["sim-main USDT"], "it has traded: a testnet's account would be fresh"
    names = {check["name"] for check in found["checks"]}
    assert {"step", "sim-main key", "sim-main clock", "services", "halts", "reconcile", "verify"} <= names
    live = paper.replace('mode = "paper"', 'mode = "live"').replace("[venues.sim]", '[venues.sim]\nnetwork = "live"')
    candidate.write_text(live)
    code, found = run.pitwire("golive", "check", "--config", str(candidate))
    reasons = {check["name"]: check["reason"] for check in found["checks"] if not check["ok"]}
    assert reasons["step"] == "let it run in testnet first"
    assert "sim-main key" in reasons, "what a key may do is asked on the real venue"
    candidate.unlink()


def test_candles_of_the_past_are_fetched_into_the_database_and_only_once(run: Run) -> None:
    http = run.current()["venue"]["http"]
    with urllib.request.urlopen(f"{http}/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=100", timeout=10) as answer:
        first_ms = json.loads(answer.read())[0][0]
    since = datetime.fromtimestamp(first_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M")
    code, found = run.pitwire("history", "fetch", BTC, "--since", since)
    assert (code, found["missing"], found["from"]) == (0, 0, since), found
    assert found["stored"] + found["there"] >= 99
    code, again = run.pitwire("history", "fetch", BTC, "--since", since, "--until", found["to"])
    assert (code, again["stored"]) == (0, 0)


def test_the_run_stands_beside_the_backtest_of_its_candles(run: Run) -> None:
    """Operators have traded and halted here, so not every decision has its counterpart; most have."""
    code, found = run.pitwire("compare")
    assert code == 0, found
    whole = found["summary"]
    assert whole["both"] >= 2
    assert whole["mean_worse_bps"] is not None
    assert len(found["orders"]) == whole["both"] + whole["only_live"] + whole["only_backtest"]
    assert all(order["why"] for order in found["orders"])
