"""Checks of the machine, each able to fail."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pitwire.cli.discovery import CURRENT
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.views import doctor
from pitwire.cli.views.doctor import Level, configuration, disk_space, examine, nats_server, postgres
from pitwire.common.bus import nats

SHIPPED = Path(__file__).parents[4] / "pitwire.toml"


def test_a_fit_machine_passes_and_every_check_is_named_once(tmp_path: Path) -> None:
    reply = examine(SHIPPED, tmp_path)
    assert isinstance(reply.document, dict)
    names = [check["name"] for check in reply.document["checks"]]
    assert len(names) == len(set(names)) == 11
    assert reply.code is ExitCode.OK, reply.document


def test_a_wrong_configuration_is_bad_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "pitwire.toml"
    path.write_text("[what]\n")
    found = configuration(path)
    assert found.level is Level.BAD
    assert "what: unknown key" in found.advice
    assert examine(path, tmp_path).code is ExitCode.NO


def test_a_full_disk_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_FREE_MIN_GB", 10.0**9)
    assert disk_space(tmp_path).level is Level.BAD


def test_a_data_folder_that_is_not_made_yet_is_judged_by_what_holds_it(tmp_path: Path) -> None:
    assert disk_space(tmp_path / "not" / "yet").level is Level.OK


def test_missing_servers_are_bad_and_the_advice_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITWIRE_NATS_BIN", "/nowhere/nats-server")
    monkeypatch.setenv("PITWIRE_PG_BIN", "/nowhere")
    assert "PITWIRE_NATS_BIN" in nats_server().advice
    assert "PITWIRE_PG_BIN" in postgres().advice
    assert {nats_server().level, postgres().level} == {Level.BAD}


def levels(data_dir: Path) -> dict[str, Level]:
    """How the checks of what runs stand."""
    checks = (doctor.running_bus, doctor.running_agreement, doctor.running_database)
    found = [check(data_dir) for check in checks]
    assert all(finding.advice for finding in found if finding.level is Level.BAD)
    return {finding.name: finding.level for finding in found}


def test_a_system_that_is_named_and_does_not_answer_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats, "FIRST_CONNECT_MAX_S", 0.3)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: whoever connects is refused
        port = nobody.getsockname()[1]
        monkeypatch.setenv("PITWIRE_NATS_URL", f"nats://127.0.0.1:{port}")
        monkeypatch.setenv("PITWIRE_DATABASE_URL", f"postgresql+psycopg://pitwire@127.0.0.1:{port}/pitwire")
        assert levels(tmp_path) == dict.fromkeys(("bus", "agreement", "database"), Level.BAD)


def test_what_up_left_and_nobody_can_read_is_bad(tmp_path: Path) -> None:
    (tmp_path / CURRENT).write_text("{")
    assert levels(tmp_path) == dict.fromkeys(("bus", "agreement", "database"), Level.BAD)
    assert str(tmp_path / CURRENT) in doctor.running_agreement(tmp_path).advice
