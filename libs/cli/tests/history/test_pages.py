"""Whole candles, in pages as long as an answer may be; and where candles are missing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.cli.history.pages import PAGE_CANDLES, Gap, gaps, moment_ns, pages, shown, stretch
from pitwire.common.errors import UsageError
from pitwire.common.units import NS_PER_S

MINUTE = 60 * NS_PER_S


def test_moments_are_in_utc_unless_they_say_otherwise() -> None:
    assert moment_ns("1970-01-02", "--since") == 86_400 * NS_PER_S
    assert moment_ns("1970-01-01T01:00+01:00", "--since") == 0
    assert shown(moment_ns("2024-08-05T12:30", "--since")) == "2024-08-05T12:30"
    with pytest.raises(UsageError, match="--since 'yesterday': write it as 2024-01-31"):
        moment_ns("yesterday", "--since")


def test_only_whole_candles_are_wanted() -> None:
    assert stretch("1m", MINUTE + 1, 5 * MINUTE - 1) == (2 * MINUTE, 4 * MINUTE)
    assert stretch("1m", 2 * MINUTE, 5 * MINUTE) == (2 * MINUTE, 5 * MINUTE)


@given(start=st.integers(0, 10**6), length=st.integers(0, 5_000))
def test_pages_hold_each_candle_once_and_none_is_too_long(start: int, length: int) -> None:
    found = list(pages("1m", start * MINUTE, (start + length) * MINUTE))
    assert sum(page.candles for page in found) == length
    assert all(0 < page.candles <= PAGE_CANDLES for page in found)
    assert [page.from_ns for page in found[1:]] == [page.until_ns for page in found[:-1]]


@given(there=st.sets(st.integers(0, 50)))
def test_gaps_are_exactly_what_is_not_there(there: set[int]) -> None:
    found = gaps("1m", 0, 51 * MINUTE, [number * MINUTE for number in sorted(there)])
    missing = {gap.from_ns // MINUTE + step for gap in found for step in range(gap.candles)}
    assert missing == set(range(51)) - there
    assert all(one.from_ns + one.candles * MINUTE < other.from_ns for one, other in pairwise(found))


def test_nothing_at_all_is_one_gap() -> None:
    assert gaps("1m", 0, 3 * MINUTE, []) == [Gap(0, 3)]
