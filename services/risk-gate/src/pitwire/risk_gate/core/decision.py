"""One batch of intents to one batch of verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from pitwire.common import codec, refusals
from pitwire.common.enums import IntentKind
from pitwire.common.ids import MANUAL_STRATEGY, client_order_id
from pitwire.common.money import exact, on_wire
from pitwire.common.portfolio import AccountState
from pitwire.common.refusals import Refusal
from pitwire.common.schemas.ledger import Approved, CancelApproved, Denied, Mark, RiskDecision, Verdict
from pitwire.common.schemas.market import MarketDoubt
from pitwire.common.schemas.orders import CancelIntent, OrderIntent
from pitwire.common.units import NS_PER_MS
from pitwire.risk_gate.core.ahead import Ahead
from pitwire.risk_gate.core.checks import CHECKS, verified_reduction
from pitwire.risk_gate.core.question import DecisionContext, IntentInput, Question, question
from pitwire.risk_gate.core.schedule import Place, new_marks, require_applied

APPROVAL_TTL_NS: Final = 2_000 * NS_PER_MS
"""So long after its decision an approval may be sent."""

UNREADABLE_STRATEGY: Final = "unknown"
DETAIL_MAX: Final = 512


@exact
def decide(
    state: AccountState, batch: Sequence[IntentInput], context: DecisionContext
) -> tuple[tuple[Verdict, ...], tuple[Mark, ...]]:
    """One verdict per intent, in their order, each seeing what those before it reserved; and the marks they used.

    Changes nothing. The marks are those the ledger does not have yet: they belong into the same record. Everything the
    record will cover must be applied first (`AccountState.advance`), or live and replay would differ.
    """
    require_applied(state)
    ahead = Ahead(state, context.marks)
    verdicts = tuple(_verdict(ahead, given, context) for given in batch)
    return verdicts, new_marks(state, context.marks, named(batch))


def decided(
    state: AccountState, batch: Sequence[IntentInput], context: DecisionContext, *, place: Place
) -> RiskDecision:
    """The record of `decide`, with everything from outside that it is made of."""
    verdicts, marks = decide(state, batch, context)
    doubts = tuple(MarketDoubt(instrument_id=name, reason=reason) for name, reason in context.doubts.items())
    return RiskDecision(**place, incarnation=state.incarnation, verdicts=verdicts, marks=marks, doubts=doubts)


def named(batch: Sequence[IntentInput]) -> tuple[str, ...]:
    """The instruments that a batch asks for, each once."""
    return tuple(dict.fromkeys(each.intent.instrument_id for each in batch if isinstance(each.intent, OrderIntent)))


def _verdict(ahead: Ahead, given: IntentInput, context: DecisionContext) -> Verdict:
    intent = given.intent
    if intent is None or intent.strategy != given.strategy:
        return Denied(
            strategy=given.strategy or UNREADABLE_STRATEGY,
            intent_no=0,
            code=refusals.Malformed.code,
            detail=(given.error or "another strategy than its subject's")[:DETAIL_MAX],
        )
    answer = _answer(ahead, intent, context)
    ahead.answered(intent)
    if isinstance(answer, Refusal):
        return Denied(
            strategy=intent.strategy,
            intent_no=intent.intent_no,
            code=answer.code,
            limit=_figure(answer.limit),
            observed=_figure(answer.observed),
            detail=answer.detail[:DETAIL_MAX],
            intent=intent,
        )
    if isinstance(answer, Approved):
        ahead.reserve(answer)
    return answer


def _answer(
    ahead: Ahead, intent: OrderIntent | CancelIntent, context: DecisionContext
) -> Approved | CancelApproved | Refusal:
    state, last = ahead.state, ahead.last_intent_no(intent.strategy)
    if intent.account != state.account:
        return refusals.WrongPartition(f"intent of account {intent.account} on {state.account}")
    if intent.intent_no <= last:
        return refusals.Duplicate("this number was decided", Decimal(last), Decimal(intent.intent_no))
    if isinstance(intent, CancelIntent):
        return _cancel(ahead, intent)
    refusal = next(_refusals(state, intent, context), None)
    if refusal is not None:
        return refusal
    asked = question(ahead, context, intent)
    if isinstance(asked, Refusal):
        return asked
    noes = (check(asked) for check in CHECKS)
    return next((no for no in noes if no is not None), None) or _approval(asked)


def _figure(value: Decimal | None) -> Decimal | None:
    return None if value is None else on_wire(value)


def _cancel(ahead: Ahead, intent: CancelIntent) -> CancelApproved | Refusal:
    """Cancels always pass, of one's own orders; the operator's manual strategy may cancel any."""
    owner = ahead.owner_of(intent.orig_client_order_id)
    if owner is None or intent.strategy not in {owner, MANUAL_STRATEGY}:
        return refusals.UnknownOrder(f"{intent.strategy} has no such order: {intent.orig_client_order_id}")
    return CancelApproved(intent=intent)


def _refusals(state: AccountState, intent: OrderIntent, context: DecisionContext) -> Iterator[Refusal]:
    """What needs no figures of the account."""
    limits, name = state.limits, intent.strategy
    if context.disagreement:
        yield refusals.Disagreement(context.disagreement)
    if limits is None or state.start_of_day_equity is None or not state.incarnation:
        yield refusals.NotReady("the ledger has no limits, session day or incarnation yet")
    if state.strategy_capital(name) is None:
        yield refusals.UnknownStrategy(f"{name} is not registered in {state.account}")
    if limits and limits.strategies_allowed and name not in {*limits.strategies_allowed, MANUAL_STRATEGY}:
        yield refusals.UnknownStrategy(f"{name} is not on the list of allowed strategies")
    if context.now_ns > intent.valid_until_ns:
        late_ms = (context.now_ns - intent.valid_until_ns) // NS_PER_MS
        yield refusals.IntentExpired("milliseconds past valid_until", Decimal(0), Decimal(late_ms))
    if intent.kind is not IntentKind.ORDER:
        yield refusals.Unsupported(f"{intent.kind} intents are not supported")


def _approval(asked: Question) -> Approved:
    intent, context, state = asked.intent, asked.context, asked.state
    return Approved(
        intent=intent,
        client_order_id=client_order_id(
            incarnation=state.incarnation,
            account=intent.account,
            strategy=intent.strategy,
            intent_no=intent.intent_no,
            intent_bytes=codec.encode(intent),
        ),
        venue_account=asked.venue_account,
        reservation=asked.reservation,
        is_reduction=verified_reduction(asked),
        valid_until_ns=min(context.now_ns + context.approval_ttl_ns, intent.valid_until_ns),
    )
