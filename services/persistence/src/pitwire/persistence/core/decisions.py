"""Rows of `risk_decisions`: one per verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from pitwire.common.schemas.ledger import Approved, CancelApproved, Denied, RiskDecision, Verdict
from pitwire.common.schemas.orders import CancelIntent, OrderIntent
from pitwire.persistence.core.entries import storable
from pitwire.persistence.core.trading_rows import DecisionRow


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the verdict adds to the intent."""

    strategy: str
    intent_no: int
    intent: OrderIntent | CancelIntent | None
    client_order_id: str | None = None
    code: str | None = None
    limit: Decimal | None = None
    observed: Decimal | None = None
    detail: str = ""
    is_reduction: bool | None = None
    reservation_asset: str | None = None
    reservation_amount: Decimal | None = None
    valid_until_ns: int = 0


def decision_rows(sequence: int, decision: RiskDecision) -> Iterator[DecisionRow]:
    """One row per verdict, numbered as in the record."""
    for verdict_no, verdict in enumerate(decision.verdicts, start=1):
        yield _row(sequence, verdict_no, decision, verdict)


def _answer(verdict: Verdict) -> _Answer:
    if isinstance(verdict, Denied):
        cancels = verdict.intent.orig_client_order_id if isinstance(verdict.intent, CancelIntent) else None
        return _Answer(
            verdict.strategy,
            verdict.intent_no,
            verdict.intent,
            client_order_id=cancels,
            code=verdict.code.value,
            limit=verdict.limit,
            observed=verdict.observed,
            detail=verdict.detail,
        )
    intent = verdict.intent
    if isinstance(verdict, CancelApproved):
        return _Answer(intent.strategy, intent.intent_no, intent, client_order_id=verdict.intent.orig_client_order_id)
    return _approved(verdict)


def _approved(verdict: Approved) -> _Answer:
    return _Answer(
        verdict.intent.strategy,
        verdict.intent.intent_no,
        verdict.intent,
        client_order_id=verdict.client_order_id,
        is_reduction=verdict.is_reduction,
        reservation_asset=verdict.reservation.asset,
        reservation_amount=verdict.reservation.amount,
        valid_until_ns=verdict.valid_until_ns,
    )


def _row(sequence: int, verdict_no: int, decision: RiskDecision, verdict: Verdict) -> DecisionRow:
    answer = _answer(verdict)
    intent = answer.intent
    order = intent if isinstance(intent, OrderIntent) else None
    return DecisionRow(
        oms_sequence=sequence,
        verdict_no=verdict_no,
        account=decision.account,
        strategy=answer.strategy,
        intent_no=answer.intent_no,
        verdict=verdict.verdict,
        code=answer.code,
        limit_value=answer.limit,
        observed=answer.observed,
        detail=storable(answer.detail),
        client_order_id=answer.client_order_id,
        instrument_id=order.instrument_id if order else None,
        side=order.side.value if order else None,
        order_type=order.order_type.value if order else None,
        time_in_force=order.time_in_force.value if order else None,
        quantity=order.quantity if order else None,
        limit_price=order.limit_price if order else None,
        stop_price=order.stop_price if order else None,
        is_reduction=answer.is_reduction,
        reservation_asset=answer.reservation_asset,
        reservation_amount=answer.reservation_amount,
        intent_reason=storable(intent.reason) if intent else "",
        trace=storable(intent.trace) if intent else "",
        intended_ns=intent.ts_ns if intent else 0,
        valid_until_ns=answer.valid_until_ns,
        decided_ns=decision.ts_ns,
        market_ns=decision.ts_market_ns,
    )
