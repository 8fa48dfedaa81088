"""A limit is breached: what works and would raise the exposure is withdrawn; exits and protective stops stay."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from pitwire.common.enums import Side
from pitwire.common.ids import MANUAL_STRATEGY
from pitwire.common.money import ZERO, canonical, exact
from pitwire.common.order_state import OrderState
from pitwire.common.portfolio import AccountState
from pitwire.common.portfolio.holdings import NO_MARKS, Marks
from pitwire.common.refusals import Refusal
from pitwire.common.schemas.ledger import DECISIONS_MAX
from pitwire.common.schemas.orders import Basis, CancelIntent
from pitwire.common.units import NS_PER_S
from pitwire.risk_gate.core.checks import breach

BREACH: Final = "breach"
"""What the cancels give as the subject that they react to."""

CANCEL_TTL_NS: Final = 2 * NS_PER_S


@exact
def reached(state: AccountState, marks: Marks = NO_MARKS) -> Refusal | None:
    """The limit of loss or drawdown that the account stands at, valued at `marks` or as recorded last.

    None before its first session day, and without capital: orders are denied then, but nothing was lost.
    """
    if state.limits is None or (state.start_of_day_equity or ZERO) <= ZERO:
        return None
    return breach(state, state.limits, state.equity(marks))


def told(refusal: Refusal) -> str:
    """The breach as a person reads it."""
    figures = (("limit", refusal.limit), ("observed", refusal.observed))
    numbers = "".join(f", {name} {canonical(figure)}" for name, figure in figures if figure is not None)
    return f"{refusal.code}: {refusal.detail}{numbers}"


def withdrawal(state: AccountState, refusal: Refusal, *, now_ns: int) -> tuple[CancelIntent, ...]:
    """Cancels of the orders that would raise an exposure if they filled, as many as one decision takes.

    They are the manual strategy's, whose cancels may name any order. One is asked for once; execution sees to the rest.
    """
    growing = [order for order in state.working_orders() if not order.cancel_requested and _grows(state, order)]
    number = state.last_intent_no(MANUAL_STRATEGY)
    return tuple(
        CancelIntent(
            account=state.account,
            strategy=MANUAL_STRATEGY,
            intent_no=number + place,
            valid_until_ns=now_ns + CANCEL_TTL_NS,
            basis=Basis(subject=BREACH, sequence=state.ledger_sequence),
            reason=told(refusal)[:512],
            ts_ns=now_ns,
            orig_client_order_id=order.client_order_id,
        )
        for place, order in enumerate(growing[:DECISIONS_MAX], start=1)
    )


def _grows(state: AccountState, order: OrderState) -> bool:
    net: Decimal = state.net_position(order.instrument_id).quantity
    return net >= ZERO if order.side is Side.BUY else net <= ZERO
