"""When the journal is lost, full, or its rows do not follow: as a table of samples."""

from __future__ import annotations

import pytest

from pitwire.common.bus.port import StreamState
from pitwire.common.units import NS_PER_S
from pitwire.risk_gate.core.journal_watch import JournalWatch

Sample = tuple[int, int, int]
"""Second, what persistence has stored, where the journal ends."""


def troubles(*samples: Sample, full: int = 0, commands: int = 0) -> list[str]:
    watch = JournalWatch()
    found: list[str] = []
    for second, stored, last in samples:
        watch.hear("0", stored)
        at_ns = second * NS_PER_S
        new = watch.sample(at_ns, stored=watch.stored, last_sequence=last, full_percent=full, commands_percent=commands)
        found += [f"{second} {one.trouble.value}" for one in new]
    return found


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([(0, 5, 5), (600, 5, 5)], []),
        ([(0, 5, 6), (300, 5, 6)], []),
        ([(0, 5, 6), (301, 5, 6)], ["301 PERSISTENCE_LAGS"]),
        ([(0, 5, 6), (301, 5, 9), (400, 5, 9)], ["301 PERSISTENCE_LAGS"]),
        ([(0, 5, 6), (200, 6, 9), (400, 8, 9)], []),
        ([(0, 5, 6), (200, 6, 9), (501, 8, 9)], ["501 PERSISTENCE_LAGS"]),
        (
            [(0, 5, 6), (301, 5, 9), (302, 9, 9), (310, 9, 12), (611, 9, 12)],
            ["301 PERSISTENCE_LAGS", "611 PERSISTENCE_LAGS"],
        ),
        ([(0, 0, 0), (301, 0, 0)], []),
        ([(0, 0, 3), (301, 0, 3)], ["301 PERSISTENCE_LAGS"]),
        ([(0, 9, 8)], []),
        ([(0, 9, 8), (5, 9, 8)], ["5 JOURNAL_LOST"]),
        ([(0, 9, 8), (5, 9, 9), (10, 9, 9)], []),
        ([(0, 9, 8), (5, 9, 8), (10, 9, 8)], ["5 JOURNAL_LOST"]),
    ],
)
def test_what_begins_with_which_sample(samples: list[Sample], expected: list[str]) -> None:
    assert troubles(*samples) == expected


def test_a_loss_tells_whether_the_journal_was_seen_to_shrink() -> None:
    """Rows of a journal that was lost before this watch began say nothing of the one it watches."""
    watch = JournalWatch()

    def look(stored: int, last: int) -> list[bool]:
        watch.hear("0", stored)
        found = watch.sample(0, stored=watch.stored, last_sequence=last, full_percent=0, commands_percent=0)
        return [one.shrank for one in found]

    assert [look(900, 500), look(900, 500), look(900, 500)] == [[], [False], []]
    assert [look(600, 700), look(700, 700), look(700, 650), look(700, 651)] == [[], [], [], [True]]


def test_rows_made_anew_count_from_where_they_are() -> None:
    watch = JournalWatch()
    for slot, cursor in (("0", 900), ("1", 880), ("0", 0), ("0", 20), ("1", 10)):
        watch.hear(slot, cursor)
    assert watch.stored == 20


@pytest.mark.parametrize(
    ("full", "expected"),
    [(69, []), (70, ["0 JOURNAL_FILLS"]), (84, ["0 JOURNAL_FILLS"]), (85, ["0 JOURNAL_FILLS", "0 JOURNAL_FULL"])],
)
def test_the_alarm_comes_before_the_halt(full: int, expected: list[str]) -> None:
    assert troubles((0, 0, 0), (5, 0, 0), full=full) == expected


@pytest.mark.parametrize(("commands", "expected"), [(69, []), (70, ["0 COMMANDS_FILL"]), (100, ["0 COMMANDS_FILL"])])
def test_commands_that_find_no_room_soon_are_told_of_and_halt_nothing(commands: int, expected: list[str]) -> None:
    assert troubles((0, 0, 0), (5, 0, 0), commands=commands) == expected


def test_an_unbounded_stream_is_never_full() -> None:
    assert StreamState("e", 1, 1, bytes_held=10, bytes_max=-1).full_percent == 0
    assert StreamState("e", 1, 1, bytes_held=17, bytes_max=20).full_percent == 85
