"""The venue's own orders, trades and balances against the journal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from pitwire.cli.verify.account_audit import AccountAudit, Sending
from pitwire.cli.verify.auditor import Auditor
from pitwire.cli.verify.check import Check, Findings
from pitwire.cli.verify.evidence import VenueAccount, VenueOrder, VenueTrade
from pitwire.cli.verify.truth import Told, Truth
from pitwire.common.enums import OrderStatus, OrderType
from pitwire.common.ids import ANY_VENUE_ACCOUNT

POST_ONLY: Final = "LIMIT_MAKER"
IN_DOUBT: Final = frozenset({OrderStatus.UNKNOWN})


def venue_checks(auditor: Auditor, venues: Sequence[VenueAccount]) -> list[Check]:
    """Every check that needs the venue."""
    sides = [_Side(auditor.accounts[venue.account], venue) for venue in venues if venue.account in auditor.accounts]
    return [
        submitted_first(sides),
        one_order_each(sides),
        approved(sides),
        not_sent(sides),
        resolved(sides),
        working(sides),
        leaves(sides),
        trades(sides),
        fees(sides),
        balances(sides),
    ]


class _Side:
    """One venue account beside the audit of its account."""

    def __init__(self, audit: AccountAudit, venue: VenueAccount) -> None:
        self.audit = audit
        self.venue = venue
        self.by_name: dict[str, list[VenueOrder]] = {}
        for order in venue.orders:
            self.by_name.setdefault(order.client_order_id, []).append(order)
        self.name_of = {order.venue_order_id: order.client_order_id for order in venue.orders}
        self.told = {
            (key[2], key[3]): told
            for key, told in audit.truth.trades.items()
            if key[:2] == (venue.venue, venue.venue_account)
        }

    def is_ours(self, name: str) -> bool:
        return name in self.audit.approvals or name in self.audit.sendings

    def ended_since(self, name: str) -> bool:
        """Whether the order may have worked still when the venue was asked: its end was written after that."""
        sending = self.audit.sendings.get(name)
        return sending is not None and sending.ended > self.venue.journal_before

    def mine(self, sending: Sending) -> bool:
        return sending.submitting.venue_account == self.venue.venue_account


def submitted_first(sides: Sequence[_Side]) -> Check:
    """Our orders there were journaled first; the others that work there are adopted."""
    found, count = Findings(), 0
    for side in sides:
        for name in side.by_name:
            if side.is_ours(name):
                count += 1
                found.require(name in side.audit.sendings, f"{name} is at the venue, but was never submitted")
            else:
                known = name in side.audit.external or name in side.audit.orders
                found.require(
                    known or not any(order.is_working for order in side.by_name[name]),
                    f"{name} works at {side.venue.venue}, and nobody here knows it",
                )
    return found.check("I-1", "no order at the venue without its Submitting before", f"{count:,} venue orders")


def one_order_each(sides: Sequence[_Side]) -> Check:
    """No id of ours was used twice at the venue."""
    found, count = Findings(), 0
    for side in sides:
        for name, orders in side.by_name.items():
            if side.is_ours(name):
                count += 1
                ids = ", ".join(order.venue_order_id for order in orders)
                found.require(len(orders) == 1, f"{name} is {len(orders)} orders at the venue: {ids}")
    return found.check("I-2", "one venue order at most per client order id", f"{count:,} ids")


def approved(sides: Sequence[_Side]) -> Check:
    """Instrument, side, type, prices, quantity and time of every order of ours."""
    found, count = Findings(), 0
    for side in sides:
        for name, orders in side.by_name.items():
            if not side.is_ours(name):
                continue
            count += 1
            approval = side.audit.approvals.get(name)
            if approval is None:
                found.add(f"{name} is at the venue without an approval")
                continue
            for order in orders:
                wrong = _unlike(order, side.audit, name)
                found.require(not wrong, f"{name}: the venue has {wrong}")
            sending = side.audit.sendings.get(name)
            until = approval.approved.valid_until_ns
            if sending is not None:
                found.require(
                    sending.submitting.ts_ns <= until and sending.sequence > approval.sequence,
                    f"{name}: submitted at {sending.submitting.ts_ns}, approved until {until}",
                )
    return found.check("I-3", "every venue order is what was approved, in time", f"{count:,} venue orders")


def _unlike(order: VenueOrder, audit: AccountAudit, name: str) -> str:
    """In what the venue's order differs from the approved one."""
    approved = audit.approvals[name].approved
    intent = approved.intent
    is_post_only = intent.order_type is OrderType.LIMIT and intent.post_only
    kind = POST_ONLY if is_post_only else intent.order_type.value
    pairs = (
        ("instrument", order.instrument_id, intent.instrument_id),
        ("side", order.side, intent.side.value),
        ("limit price", order.limit_price, intent.limit_price or Decimal(0)),
        ("stop price", order.stop_price, intent.stop_price or Decimal(0)),
    )
    wrong = [f"{what} {has}, not {wanted}" for what, has, wanted in pairs if has != wanted]
    if order.order_type != kind:
        wrong.append(f"type {order.order_type}, not {kind}")
    if order.quantity > intent.quantity:
        wrong.append(f"quantity {order.quantity}, approved {intent.quantity}")
    if intent.order_type.has_limit_price and order.order_type != POST_ONLY:
        wanted = intent.time_in_force.value
        wrong += [f"{order.time_in_force}, not {wanted}"] if order.time_in_force != wanted else []
    return ", ".join(wrong)


def not_sent(sides: Sequence[_Side]) -> Check:
    """`NotSent` released the reservation, so the order must never exist."""
    found, count = Findings(), 0
    for side in sides:
        for name, sending in side.audit.sendings.items():
            if sending.not_sent is not None and side.mine(sending):
                count += 1
                found.require(
                    name not in side.by_name, f"{name} was not sent ({sending.not_sent.reason}), yet the venue has it"
                )
    return found.check("I-22", "what was not sent never reached the venue", f"{count:,} orders not sent")


def resolved(sides: Sequence[_Side]) -> Check:
    """No order in doubt, and none that the venue never heard of passes for a working one."""
    found, count = Findings(), 0
    for side in sides:
        for name, order in side.audit.orders.items():
            if order.is_active and _belongs(order.venue_account, side):
                count += 1
                found.require(order.status not in IN_DOUBT, f"{name} is {order.status}")
    return found.check("I-5", "no order is left in doubt", f"{count:,} open orders")


def working(sides: Sequence[_Side]) -> Check:
    """The same orders work on both sides."""
    found, count = Findings(), 0
    for side in sides:
        there = {order.client_order_id: order for order in side.venue.orders if order.is_working}
        here = {
            name: order
            for name, order in side.audit.orders.items()
            if order.is_active and order.seen_at_venue and _belongs(order.venue_account, side)
        }
        count += len(there)
        for name, listed in there.items():
            order = side.audit.orders.get(name)
            if order is not None and not order.is_active:
                found.require(side.ended_since(name), f"{name} works at the venue, here it is {order.status}")
            elif order is not None and listed.side != order.side.value:
                found.add(f"{name} is {listed.side} at the venue, {order.side} here")
        for name, order in here.items():
            sending = side.audit.sendings.get(name)
            began = sending.sequence if sending else 0
            if began <= side.venue.journal_before:
                found.require(name in there, f"{name} is {order.status} here, the venue has it no longer")
    return found.check("I-6", "working orders here = working orders at the venue", f"{count:,} working")


def leaves(sides: Sequence[_Side]) -> Check:
    """What is reserved for orders the venue has is what they can still fill there."""
    found, count = Findings(), 0
    for side in sides:
        for name, order in side.audit.orders.items():
            if not _belongs(order.venue_account, side) or not order.seen_at_venue:
                continue
            listed = side.by_name.get(name, [])
            count += 1
            left = sum((one.leaves_quantity for one in listed), Decimal(0))
            held = order.open_quantity
            if held and not left:
                found.add(f"{name} {order.status}: {held} reserved, nothing left at the venue")
            elif held != left and _settled(side, name) and not side.ended_since(name):
                found.add(f"{name} {order.status}: {held} reserved, {left} left at the venue")
    return found.check("I-17", "reservations = what the venue can still fill", f"{count:,} orders")


def _settled(side: _Side, name: str) -> bool:
    """Whether every trade that the venue lists for the order had come before the venue was asked."""
    filled = sum((one.cum_quantity for one in side.by_name.get(name, [])), Decimal(0))
    return filled == side.audit.orders[name].cum_quantity


def trades(sides: Sequence[_Side]) -> Check:
    """Every trade of ours there is in the journal once, and no other."""
    found, count = Findings(), 0
    for side in sides:
        listed = {(trade.instrument_id, trade.trade_id): trade for trade in side.venue.trades}
        count += len(listed)
        for key, trade in listed.items():
            told = side.told.get(key)
            if told is not None:
                _like(found, trade, told)
            elif side.is_ours(side.name_of.get(trade.venue_order_id, "")):
                found.add(f"trade {trade.trade_id} of {trade.instrument_id} is not in the journal")
        for key, told in side.told.items():
            if told.sequence <= side.venue.journal_before and not told.busted:
                found.require(key in listed, f"trade {key[1]} of {key[0]} is in the journal, not at the venue")
    return found.check("I-8", "fills in the journal = trades at the venue, each once", f"{count:,} venue trades")


def _like(found: Findings, trade: VenueTrade, told: Told) -> None:
    report = told.report
    has = (trade.side, trade.quantity, trade.price)
    booked = (report.side.value, report.last_quantity, report.last_price)
    found.require(
        has == booked, f"trade {trade.trade_id} of {trade.instrument_id}: {_words(has)} there, {_words(booked)} here"
    )


def _words(parts: tuple[str, Decimal, Decimal]) -> str:
    return f"{parts[0]} {parts[1]} at {parts[2]}"


def fees(sides: Sequence[_Side]) -> Check:
    """The figure and the currency that the venue took."""
    found, count = Findings(), 0
    for side in sides:
        for trade in side.venue.trades:
            told = side.told.get((trade.instrument_id, trade.trade_id))
            if told is None:
                continue
            count += 1
            currency = told.report.fee_currency or trade.fee_currency
            found.require(
                (told.report.fee, currency) == (trade.fee, trade.fee_currency),
                f"trade {trade.trade_id} of {trade.instrument_id}: the venue took {trade.fee} {trade.fee_currency}, "
                f"{told.report.fee} {currency} is booked",
            )
    return found.check("I-13", "fees are the venue's own figures", f"{count:,} trades")


def balances(sides: Sequence[_Side]) -> Check:
    """What the venue holds = capital and exactly those fills that its list of trades has."""
    found, count = Findings(), 0
    for side in sides:
        listed = {(trade.instrument_id, trade.trade_id) for trade in side.venue.trades}
        expected = Truth()
        for record in side.audit.capital.values():
            if record.venue_account in {side.venue.venue_account, ANY_VENUE_ACCOUNT}:
                expected.deposit(record)
        for key, told in side.told.items():
            if key in listed:
                expected.execution(told.sequence, told.report)
        assets = dict.fromkeys([*side.venue.balances, *(asset for _, asset in expected.balances)])
        for asset in assets:
            count += 1
            has = Fraction(side.venue.balances.get(asset, Decimal(0)))
            due = sum((amount for (_, name), amount in expected.balances.items() if name == asset), Fraction(0))
            found.require(
                has == due,
                f"{asset} in {side.venue.venue_account}: {float(has):.12g} there, {float(due):.12g} by our books",
            )
    return found.check("I-9.venue", "balances at the venue = capital and fills", f"{count} balances")


def _belongs(venue_account: str, side: _Side) -> bool:
    return venue_account == side.venue.venue_account
