"""Permissions follow from registry and topology: literal, least, and readable from the seeds alone."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from pitwire.common import permissions
from pitwire.common.config import PitwireConfig
from pitwire.common.topology import PRINCIPALS, NatsAccount


@pytest.fixture
def config() -> PitwireConfig:
    return PitwireConfig.model_validate(
        {
            "venues": {
                "sim": {
                    "rest": "http://127.0.0.1:1",
                    "ws": "ws://127.0.0.1:1",
                    "ws_api": "ws://127.0.0.1:1/ws-api/v3",
                    "instruments": ["BTC-USDT"],
                }
            },
            "venue_accounts": {"sim-main": {"venue": "sim", "account": "main", "key_file": "k.json"}},
            "accounts": {
                "main": {
                    "quote": "USDT",
                    "capital": {"USDT": "1000"},
                    "limits": {
                        "order_value_max": "100",
                        "position_value_max": "200",
                        "open_positions_max": 2,
                        "daily_loss_max_percent": "5",
                        "drawdown_max_percent": "15",
                        "instruments_allowed": ["BTC-USDT.sim"],
                    },
                }
            },
            "strategies": {
                "momentum": {"type": "momentum", "account": "main", "capital": "10", "instruments": ["BTC-USDT.sim"]}
            },
        }
    )


def test_a_strategy_publishes_only_its_own_literal_subject(config: PitwireConfig) -> None:
    allowed = permissions.publishes("strategy", config)
    assert [subject for subject in allowed if subject.startswith("int.")] == ["int.36.main.momentum"]
    assert not [subject for subject in allowed if subject.startswith("oms.")]


def test_the_gate_writes_its_ledger_and_the_resume_but_no_execution_event(config: PitwireConfig) -> None:
    allowed = permissions.publishes("risk-gate", config)
    assert "oms.36.risk.main" in allowed
    assert "oms.resume" in allowed
    assert "oms.36.exec.main" not in allowed


def test_execution_writes_its_events_but_not_the_ledger(config: PitwireConfig) -> None:
    allowed = permissions.publishes("execution", config)
    assert "oms.36.exec.main" in allowed
    assert "oms.36.risk.main" not in allowed
    assert "oms.halt.execution" in allowed
    assert "oms.halt.operator" not in allowed


def test_an_operator_commands_only_under_its_own_name(config: PitwireConfig) -> None:
    allowed = permissions.publishes("operator", config)
    assert "ctl.cmd.operator.*.*" in allowed
    assert "ctl.cmd.*.*.*" not in allowed


@pytest.mark.parametrize("principal", [p.name for p in PRINCIPALS])
def test_nobody_may_change_a_stream(principal: str, config: PitwireConfig) -> None:
    for subject in permissions.publishes(principal, config):
        assert not subject.startswith(
            ("$JS.API.STREAM.CREATE", "$JS.API.STREAM.DELETE", "$JS.API.STREAM.PURGE", "$JS.API.STREAM.UPDATE")
        )
        assert subject not in (">", "$JS.API.>", "$JS.>")


def test_every_inbox_is_private(config: PitwireConfig, tmp_path: Path) -> None:
    made = permissions.make_identities(tmp_path)
    server = permissions.server_config(config, made)
    inboxes: list[str] = []
    for account in server["accounts"].values():
        for user in account["users"]:
            heard: list[str] = user["permissions"]["subscribe"]["allow"]
            inboxes += [subject for subject in heard if subject.startswith("_INBOX")]
    assert len(inboxes) == len(set(inboxes)) == len(made)


def test_identities_are_kept_and_private(tmp_path: Path) -> None:
    first = permissions.make_identities(tmp_path / "keys")
    again = permissions.make_identities(tmp_path / "keys")
    assert first == again
    for path in (tmp_path / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_trading_can_reach_the_journal_itself(config: PitwireConfig, tmp_path: Path) -> None:
    server = permissions.server_config(config, permissions.make_identities(tmp_path))
    for name in (NatsAccount.STRAT, NatsAccount.READ, NatsAccount.MD):
        imports: list[dict[str, Any]] = server["accounts"][name]["imports"]
        services = [i["service"]["subject"] for i in imports if "service" in i]
        assert not [s for s in services if s.startswith("oms.")]
        assert not [s for s in services if ".STREAM." in s]


def test_work_is_given_by_researchers_and_taken_by_workers_alone(config: PitwireConfig) -> None:
    worker, researcher = permissions.publishes("backtest", config), permissions.publishes("researcher", config)
    takes = ["$JS.API.CONSUMER.MSG.NEXT.JOBS.workers", "$JS.ACK.JOBS.workers.>"]
    assert [each for each in worker if "JOBS" in each] == takes
    assert [each for each in researcher if "JOBS" in each] == []
    assert "job.backtest.*.*" in researcher
    assert "job.backtest.*.*" not in worker
    assert "result.backtest.*.*" in worker
    assert "result.backtest.*.*" not in researcher
