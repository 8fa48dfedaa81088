"""Logs of all processes in the order of time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pitwire.cli.discovery import NotRunning
from pitwire.cli.views.logs import line_text, log_files, merge, parse, show_logs, tail
from pitwire.common.errors import UsageError


def line(second: int, event: str, level: str = "info") -> str:
    return json.dumps(
        {"timestamp": f"2024-07-26T18:00:{second:02}.000000Z", "level": level, "event": event, "n": second}
    )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    logs = tmp_path / "runs" / "1" / "logs"
    logs.mkdir(parents=True)
    (logs / "strategy.log").write_text("\n".join([line(1, "a"), "plain words", line(5, "b", "error")]) + "\n")
    (logs / "execution.log").write_text(line(3, "c") + "\n")
    return tmp_path


def events(data_dir: Path, *services: str, lines: int = 20, level: str = "info") -> list[str]:
    reply = show_logs(data_dir, services, follow=False, lines=lines, level=level, plain=True)
    assert isinstance(reply.document, list)
    return [document["event"] for document in reply.document]


def test_lines_of_all_services_come_in_the_order_of_time(data_dir: Path) -> None:
    assert events(data_dir) == ["a", "plain words", "c", "b"]


def test_a_service_can_be_chosen_and_lines_counted_from_the_end(data_dir: Path) -> None:
    assert events(data_dir, "strategy", lines=1) == ["b"]


def test_a_level_hides_what_is_less_severe(data_dir: Path) -> None:
    assert events(data_dir, level="error") == ["b"]


def test_unknown_names_are_refused_with_what_there_is(data_dir: Path) -> None:
    with pytest.raises(UsageError, match="there are: execution, strategy"):
        log_files(data_dir, ("nobody",))
    with pytest.raises(UsageError, match="--level"):
        events(data_dir, level="loud")


def test_following_cannot_be_one_document(data_dir: Path) -> None:
    with pytest.raises(UsageError, match="-f never ends"):
        show_logs(data_dir, (), follow=True, lines=1, level="info", plain=False)


def test_without_a_run_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="pitwire up"):
        log_files(tmp_path, ())


def test_a_line_is_read_back_with_all_it_says() -> None:
    text = line_text(parse("strategy", line(1, "a")))
    assert text.split() == ["18:00:01.000", "strategy", "info", "a", "n=1"]
    assert merge([[parse("x", "[1, 2]")]])[0].text == "[1, 2]"


@pytest.mark.parametrize(
    ("text", "at", "level"),
    [
        ("[7] 2026/11/23 07:44:11.074246 [ERR] no room", "2026-11-23T07:44:11.074246Z", "error"),
        ("2026-11-23 07:44:11.110 UTC [5] FATAL:  too many", "2026-11-23T07:44:11.110Z", "critical"),
        ("2026-11-23 07:44:11.110 UTC [5] LOG:  ready", "2026-11-23T07:44:11.110Z", "info"),
        ('{"ts_ms": 1722016801500, "level": "INFO", "message": "stopped"}', "2024-07-26T18:00:01.500000Z", "info"),
        ("schema 0003", "", "info"),
    ],
)
def test_servers_and_the_venue_spell_time_and_severity_in_their_own_ways(text: str, at: str, level: str) -> None:
    line = parse("x", text)
    assert (line.at, line.level) == (at, level)


def test_the_tail_of_a_long_log_is_read_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("".join(line(n % 60, f"e{n}") + "\n" for n in range(20_000)))
    assert [found.text for found in tail("x", path, 2)] == ["e19998", "e19999"]
