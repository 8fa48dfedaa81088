"""Is this approval what it claims to be? The last look before an order exists; upstream is only advice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from pitwire.common.enums import IntentKind, OrderType, TimeInForce
from pitwire.common.ids import ANY_VENUE_ACCOUNT, client_order_id, venue_of
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.money import is_multiple
from pitwire.common.schemas.ledger import Approved
from pitwire.common.schemas.market import Instrument
from pitwire.common.schemas.orders import OrderIntent
from pitwire.execution.core.venue import NewOrder


@dataclass(frozen=True, slots=True)
class Setup:
    """What this process may do for one account: its venue accounts (name -> venue) and what is listed there."""

    account: str
    venue_accounts: Mapping[str, str]
    instruments: InstrumentRegistry
    intent_bytes: Callable[[OrderIntent], bytes]
    """The codec's bytes of an intent: what its id was made of."""


def approval_fault(setup: Setup, approved: Approved, incarnation: str) -> str:
    """Why this approval must not be acted on; empty when it may. Independent of time and of the venue's state."""
    intent, held = approved.intent, approved.reservation
    expected = client_order_id(
        incarnation=incarnation,
        account=intent.account,
        strategy=intent.strategy,
        intent_no=intent.intent_no,
        intent_bytes=setup.intent_bytes(intent),
    )
    venue = setup.venue_accounts.get(approved.venue_account)
    held_for = (held.instrument_id, held.side, held.quantity)
    faults = (
        (intent.account != setup.account, f"intent of account {intent.account}"),
        (intent.kind is not IntentKind.ORDER, f"kind {intent.kind} cannot be executed"),
        (approved.client_order_id != expected, f"client_order_id is not that of its content, {expected}"),
        (venue is None, f"venue account {approved.venue_account} is none of {', '.join(setup.venue_accounts)}"),
        (venue != venue_of(intent.instrument_id), f"{intent.instrument_id} is not traded in {approved.venue_account}"),
        (
            intent.venue_account not in (ANY_VENUE_ACCOUNT, approved.venue_account),
            f"intent wants {intent.venue_account}, approval names {approved.venue_account}",
        ),
        (held_for != (intent.instrument_id, intent.side, intent.quantity), "reservation is not that of the intent"),
        (intent.reduce_only and not approved.is_reduction, "reduce_only, but not verified to reduce"),
    )
    return next((text for is_broken, text in faults if is_broken), "")


def listing_fault(instrument: Instrument, intent: OrderIntent) -> str:
    """Why the venue's own steps forbid this order; empty when they do not."""
    if not is_multiple(intent.quantity, instrument.lot_size):
        return f"quantity {intent.quantity} is no multiple of the lot {instrument.lot_size}"
    for price in (intent.limit_price, intent.stop_price):
        if price is not None and not is_multiple(price, instrument.tick_size):
            return f"price {price} is no multiple of the tick {instrument.tick_size}"
    if intent.post_only and (intent.order_type, intent.time_in_force) != (OrderType.LIMIT, TimeInForce.GTC):
        return f"post_only is for LIMIT GTC, not {intent.order_type} {intent.time_in_force}"
    return ""


def new_order(approved: Approved, instrument: Instrument) -> NewOrder:
    """The order as it is to stand at the venue."""
    intent = approved.intent
    return NewOrder(
        client_order_id=approved.client_order_id,
        instrument_id=intent.instrument_id,
        venue_symbol=instrument.venue_symbol,
        side=intent.side,
        order_type=intent.order_type,
        time_in_force=intent.time_in_force,
        quantity=Decimal(intent.quantity),
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        post_only=intent.post_only,
    )
