"""Checks of the machine, each able to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.views import doctor
from pitwire.cli.views.doctor import Level, configuration, disk_space, examine, nats_server, postgres

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
