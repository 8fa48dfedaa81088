"""Keys and latches in files, the command that halts from beside the process, and the settings."""

from __future__ import annotations

import json
import pickle
import stat
from pathlib import Path

import pytest

from pitwire.common.enums import HaltScope
from pitwire.common.errors import ConfigError
from pitwire.common.schemas.ledger import Halt
from pitwire.execution.adapters.halt_command import EXIT_OBEYED, EXIT_USAGE, EXIT_WAITING, halt_command
from pitwire.execution.adapters.keys import load_key
from pitwire.execution.adapters.latch import LatchFiles

# -- keys ----------------------------------------------------------------------------------------------------------


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "key.json"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_is_read_and_never_shown(tmp_path: Path) -> None:
    """I-35."""
    key = load_key(key_file(tmp_path, '{"api_key": "public", "api_secret": "hush"}'), where="here")
    assert (key.api_key, key.secret.reveal()) == ("public", "hush")
    assert "hush" not in f"{key} {key!r} {key.secret} {key.secret!r}"
    with pytest.raises(TypeError):
        pickle.dumps(key.secret)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, '{"api_key": "a", "api_secret": "b"}', mode)
    with pytest.raises(ConfigError, match=r"venue_accounts\.x\.key_file: .*chmod 600"):
        load_key(path, where="venue_accounts.x.key_file")


NO_KEYS = """

[]
{}
{"api_key": "a"}
{"api_key": "", "api_secret": "b"}
{"api_key": 1, "api_secret": 2}
{"api_key": "\u00e4", "api_secret": "b"}
"""


@pytest.mark.parametrize("text", NO_KEYS.splitlines()[1:])
def test_a_file_that_holds_no_key_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="here"):
        load_key(key_file(tmp_path, text), where="here")


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_key(tmp_path / "none.json", where="here")


# -- latches -------------------------------------------------------------------------------------------------------


def latched(halt_id: str = "k1") -> Halt:
    return Halt(halt_id=halt_id, scope=HaltScope.ALL, reason="fire", source="ops")


def test_a_latched_halt_is_there_until_it_is_removed(tmp_path: Path) -> None:
    path = LatchFiles(tmp_path).add(latched())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(LatchFiles(tmp_path).read()) == [latched()]
    LatchFiles(tmp_path).acknowledge("k1", 7)
    assert LatchFiles(tmp_path).acknowledged_ns("k1") == 7
    LatchFiles(tmp_path).remove("k1")
    assert list(LatchFiles(tmp_path).read()) == []
    assert LatchFiles(tmp_path).acknowledged_ns("k1") == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"halt_id": "k9"}'])
def test_a_latch_that_cannot_be_read_halts_everything(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "halts"
    folder.mkdir()
    (folder / "k9.json").write_text(text)
    (found,) = LatchFiles(tmp_path).read()
    assert (found.halt_id, found.scope, found.state) == ("k9", HaltScope.ALL, "HALTED")


def test_a_latch_under_another_name_than_its_own_halts_everything_under_the_files_name(tmp_path: Path) -> None:
    latches = LatchFiles(tmp_path)
    latches.add(latched("k1").model_copy(update={"scope": HaltScope.ACCOUNT, "target": "main"}))
    (tmp_path / "halts" / "k1.json").rename(tmp_path / "halts" / "k2.json")
    (found,) = latches.read()
    assert (found.halt_id, found.scope) == ("k2", HaltScope.ALL)


def test_the_halt_command_stores_the_halt_and_says_that_nobody_obeys_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pitwire.execution.adapters.halt_command.OBEY_WAIT_NS", 0)
    assert halt_command(["--reason", "fire", "--data-dir", str(tmp_path)]) == EXIT_WAITING
    line = json.loads(capsys.readouterr().out)
    assert (line["obeyed"], line["ms"]) == (False, None)
    (found,) = LatchFiles(tmp_path).read()
    assert (found.halt_id, found.reason, found.scope) == (line["halt_id"], "fire", HaltScope.ALL)


def test_the_halt_command_reports_the_obedience(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(_latches: LatchFiles, _halt_id: str) -> int:
        return 2**62

    monkeypatch.setattr(LatchFiles, "acknowledged_ns", seen)
    arguments = ["--reason", "fire", "--scope", "ACCOUNT", "--target", "main", "--data-dir", str(tmp_path)]
    assert halt_command(arguments) == EXIT_OBEYED
    assert json.loads(capsys.readouterr().out)["obeyed"] is True


@pytest.mark.parametrize(
    "arguments",
    [
        ["--reason", "x", "--scope", "ACCOUNT"],
        ["--reason", "x", "--target", "main"],
        ["--reason", "x" * 600],
        ["--reason", "x", "--operator", "two words"],
    ],
)
def test_a_halt_that_makes_no_sense_is_refused_and_not_stored(tmp_path: Path, arguments: list[str]) -> None:
    assert halt_command([*arguments, "--data-dir", str(tmp_path)]) == EXIT_USAGE
    assert not (tmp_path / "halts").exists()
