"""The venue's limits, kept before it has to enforce them; an independent referee counts as the venue does."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.execution.core.rate_limits import (
    BOUNDARY_NS,
    CEILING_PERCENT,
    DEFAULT_RULES,
    SECOND_NS,
    Lane,
    LimitKind,
    RateLimits,
    Report,
    Rule,
    Ticket,
)

MINUTE_NS = 60 * SECOND_NS
RULE = Rule(LimitKind.REQUEST_WEIGHT, MINUTE_NS, 100)
MIDDLE_NS = 30 * SECOND_NS


def limits(*rules: Rule, share: int = 100) -> RateLimits:
    return RateLimits(rules or (RULE,), share_percent=share)


def fill(made: RateLimits, lane: Lane, now_ns: int = MIDDLE_NS) -> int:
    """Sends as much as the lane lets through; how much it was."""
    sent = 0
    while not made.wait_ns(lane, 1, now_ns):
        made.take(1, now_ns)
        sent += 1
    return sent


def report(count: int, rule: Rule = RULE) -> list[Report]:
    return [Report(rule.kind, rule.length_ns, count)]


def test_each_lane_stops_before_the_more_important_one_and_cancels_have_the_rest() -> None:
    made = limits()
    assert fill(made, Lane.DATA) == 50
    assert fill(made, Lane.RECONCILE) == 10
    assert fill(made, Lane.SUBMIT) == 10
    assert fill(made, Lane.CANCEL) == 30


def test_cancels_alone_may_use_everything() -> None:
    assert fill(limits(), Lane.CANCEL) == 100


def test_the_wait_ends_when_the_next_window_has_certainly_begun() -> None:
    made = limits()
    fill(made, Lane.SUBMIT)
    wait_ns = made.wait_ns(Lane.SUBMIT, 1, MIDDLE_NS)
    assert wait_ns == MINUTE_NS + BOUNDARY_NS - MIDDLE_NS
    assert made.wait_ns(Lane.SUBMIT, 1, MIDDLE_NS + wait_ns) == 0


def test_a_process_keeps_to_its_share() -> None:
    assert fill(limits(share=50), Lane.SUBMIT) == 35
    assert fill(limits(share=50), Lane.CANCEL) == 50


def test_what_others_at_this_address_use_counts_too() -> None:
    made = limits()
    made.settle(made.take(1, MIDDLE_NS), report(65), MIDDLE_NS)
    assert fill(made, Lane.SUBMIT) == 5
    assert fill(made, Lane.CANCEL) == 30


def test_a_count_told_late_and_lower_takes_nothing_back() -> None:
    """Answers overtake each other; a weight never goes down within its window."""
    made = limits()
    first, second = made.take(1, MIDDLE_NS), made.take(1, MIDDLE_NS)
    made.settle(second, report(60), MIDDLE_NS)
    made.settle(first, report(59), MIDDLE_NS)
    assert fill(made, Lane.SUBMIT) == 10


def test_what_is_under_way_counts_besides_what_the_venue_has_seen() -> None:
    made = limits()
    answered, under_way = made.take(10, MIDDLE_NS), made.take(10, MIDDLE_NS)
    made.settle(answered, report(50), MIDDLE_NS)
    assert fill(made, Lane.SUBMIT) == 10
    made.settle(under_way, (), MIDDLE_NS)


def test_an_order_that_succeeded_cost_nothing() -> None:
    made = limits()
    for _ in range(500):
        assert made.wait_ns(Lane.SUBMIT, 1, MIDDLE_NS) == 0
        made.settle(made.take(1, MIDDLE_NS), report(0), MIDDLE_NS, is_free=True)


def test_a_count_of_the_window_before_says_nothing_about_this_one() -> None:
    made = limits()
    ticket = made.take(1, MIDDLE_NS)
    made.settle(ticket, report(100), MINUTE_NS + MIDDLE_NS)
    assert fill(made, Lane.SUBMIT, MINUTE_NS + MIDDLE_NS) == 70


def test_orders_that_filled_are_given_back_and_others_are_not() -> None:
    rule = Rule(LimitKind.ORDERS, 10 * SECOND_NS, 10)
    made = limits(rule)
    now_ns = 5 * SECOND_NS
    tickets = [made.take(1, now_ns) for _ in range(10)]
    assert made.wait_ns(Lane.SUBMIT, 1, now_ns)
    made.settle(tickets.pop(), report(1, rule), now_ns)
    assert made.wait_ns(Lane.SUBMIT, 1, now_ns), "nine are still under way"
    for ticket in tickets:
        made.settle(ticket, report(0, rule), now_ns)
    assert not made.wait_ns(Lane.SUBMIT, 1, now_ns)


def test_a_stop_holds_everything_cancels_too_until_its_end_and_never_ends_earlier() -> None:
    """F-16: 429 and 418."""
    made = limits()
    made.stop(100)
    made.stop(50)
    assert made.wait_ns(Lane.CANCEL, 1, 40) == 60
    assert made.wait_ns(Lane.CANCEL, 1, 100) == 0


def test_limits_that_the_venue_changes_are_kept_with_what_was_counted() -> None:
    made = limits()
    assert fill(made, Lane.SUBMIT) == 70
    made.learn((RULE._replace(limit=200),))
    assert fill(made, Lane.SUBMIT) == 70
    made.learn((RULE._replace(limit=100),))
    assert made.wait_ns(Lane.SUBMIT, 1, MIDDLE_NS)


def test_windows_follow_the_venues_clock() -> None:
    made = limits()
    made.align(venue_ns=MIDDLE_NS, now_ns=0)
    fill(made, Lane.SUBMIT, 0)
    assert made.wait_ns(Lane.SUBMIT, 1, 0) == MINUTE_NS + BOUNDARY_NS - MIDDLE_NS


def test_a_request_heavier_than_its_part_goes_alone() -> None:
    made = limits(RULE._replace(limit=10))
    assert made.wait_ns(Lane.DATA, 40, MIDDLE_NS) == 0
    made.take(40, MIDDLE_NS)
    assert made.wait_ns(Lane.DATA, 40, MIDDLE_NS)


def test_until_the_venue_has_spoken_its_documented_limits_count() -> None:
    made = limits(*DEFAULT_RULES)
    assert made.wait_ns(Lane.CANCEL, 6_000, MIDDLE_NS) == 0
    made.take(1, MIDDLE_NS)
    assert made.wait_ns(Lane.CANCEL, 6_000, MIDDLE_NS)


# -- several processes at one address --------------------------------------------------------------------------------


class Referee:
    """Counts as the venue does, by its own clock, and answers with its count."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.window = -1
        self.count = 0
        self.others = 0
        self.worst = 0

    def take(self, weight: int, venue_ns: int, lane: Lane) -> int:
        if venue_ns // MINUTE_NS != self.window:
            self.window, self.count, self.others = venue_ns // MINUTE_NS, 0, 0
        self.count += weight
        self.others += weight if lane is not Lane.CANCEL else 0
        assert self.count <= self.limit, "over the limit: a 429"
        assert self.others <= self.limit * CEILING_PERCENT[Lane.SUBMIT] // 100, "the room of cancels was used"
        self.worst = max(self.worst, self.count)
        return self.count


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), shares=st.sampled_from([(100,), (50, 50), (70, 30), (40, 30, 30)]))
def test_however_busy_no_limit_is_passed_and_the_room_of_cancels_is_kept(seed: int, shares: tuple[int, ...]) -> None:
    """I-25: processes at one address, clocks that differ, answers in any order, requests that take their time."""
    chance = random.Random(seed)
    referee = Referee(100)
    processes = [limits(share=share) for share in shares]
    skews = [chance.randint(-BOUNDARY_NS // 2, BOUNDARY_NS // 2) for _ in processes]
    for process, skew in zip(processes, skews, strict=True):
        process.align(venue_ns=skew, now_ns=0)
    under_way: list[tuple[int, RateLimits, Ticket, int]] = []
    now_ns = 0
    for _ in range(600):
        now_ns += chance.choice((0, 1, SECOND_NS // 10, SECOND_NS, 5 * SECOND_NS))
        process = chance.choice(processes)
        lane, weight = chance.choice(list(Lane)), chance.choice((1, 2, 4, 10))
        if process.wait_ns(lane, weight, now_ns) == 0:
            ticket = process.take(weight, now_ns)
            arrives_ns = now_ns + chance.randint(0, BOUNDARY_NS // 2 - 1)
            under_way.append((now_ns, process, ticket, referee.take(weight, max(arrives_ns, now_ns), lane)))
            now_ns = max(now_ns, arrives_ns)
        while under_way and chance.random() < 0.4:
            _, asked, ticket, count = under_way.pop(chance.randrange(len(under_way)))
            asked.settle(ticket, report(count) if chance.random() < 0.9 else (), now_ns)
    assert referee.worst > 0


@pytest.mark.parametrize("lane", list(Lane))
def test_a_process_that_only_waits_gets_its_turn_again(lane: Lane) -> None:
    made = limits()
    fill(made, lane)
    wait_ns = made.wait_ns(lane, 1, MIDDLE_NS)
    assert made.wait_ns(lane, 1, MIDDLE_NS + wait_ns - 1) > 0
    assert fill(made, lane, MIDDLE_NS + wait_ns) == CEILING_PERCENT[lane]
