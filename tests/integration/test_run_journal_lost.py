"""The bus loses all it held: a run that goes on stands where its rows stand, halted until an operator resumes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.integration.run_world import Run, running, until_gone

from pitwire.cli.addresses import plain_url

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

STANDSTILL_POLLS = 3


def positions(run: Run) -> dict[str, str]:
    code, rows = run.pitwire("positions")
    assert code == 0
    return {f"{row['strategy']} {row['instrument_id']}": row["quantity"] for row in rows}


def fills(run: Run) -> int:
    code, rows = run.pitwire("strategies")
    return sum(row["fills"] for row in rows) if code == 0 else -1


def query(run: Run, text: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(plain_url(run.current()["database_url"])) as connection:
        return connection.execute(text.encode()).fetchall()


def test_after_the_total_loss_of_the_bus_the_system_comes_up_halted_and_a_resume_is_all_it_takes(
    tmp_path: Path,
) -> None:
    with running(tmp_path, "--speed", "600") as run:
        run.until_trading()
        run.until("fills", lambda: fills(run) > 2, timeout_s=60)
        run.interrupt()
        code, _ = run.wait()
        assert code == 0, run.said()
    (folder,) = (tmp_path / ".pitwire" / "runs").iterdir()
    shutil.rmtree(folder / "nats" / "jetstream")
    with running(tmp_path, "--keep", "--speed", "600") as run:
        run.until_trading()
        assert "JOURNAL_RESTORED" in run.said()
        before = fills(run)
        assert before > 2, "what was traded before the loss is there"
        held = positions(run)
        code, status = run.pitwire("status")
        assert "ALL" in str(status["halts"])
        alerts = run.until("an alert", lambda: query(run, "SELECT text FROM alerts WHERE code = 'JOURNAL_LOST'"))
        assert "pitwire resume" in alerts[0][0]
        for _ in range(STANDSTILL_POLLS):
            assert fills(run) == before
        assert positions(run) == held
        code, _ = run.pitwire("verify", "--timeout", "30")
        assert code == 0
        code, _ = run.pitwire("resume", "--reason", "compared with the venue")
        assert code == 0
        run.until("trading again", lambda: fills(run) > before, timeout_s=60)
        code, found = run.pitwire("verify", "--timeout", "30")
        assert code == 0, found["violated"]
        run.interrupt()
        code, _ = run.wait()
        assert code == 0, run.said()
    assert until_gone(tmp_path) == {}
