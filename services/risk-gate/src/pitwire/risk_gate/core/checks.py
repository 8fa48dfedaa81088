"""The checks of an order, in the order in which they are asked: the first no is the answer.

A *reduction* lowers the position of the restricted scope even if every open close fills first. It passes what is there
to stop risk from growing: REDUCING halts, pauses, the restricted list, doubtful data, stale marks, order value, loss,
drawdown, rate.
Only HALTED, the venue's own rules, a price that must be a mistake and what the account really has stop it. What must
stay within a limit may equal it; a loss or drawdown that reaches its limit has used it up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from pitwire.common import refusals
from pitwire.common.enums import OrderType, Side, TradingState
from pitwire.common.instruments import is_dust, shape_fault
from pitwire.common.money import HUNDRED, ZERO, percent_of, ratio
from pitwire.common.portfolio import AccountState
from pitwire.common.refusals import Refusal
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.units import NS_PER_MS
from pitwire.risk_gate.core.question import Question, restricted_scopes

Check = Callable[[Question], Refusal | None]


def halted(q: Question) -> Refusal | None:
    """HALTED stops every order, REDUCING all that does not reduce the scope it restricts."""
    state, account, strategy, ids = restricted_scopes(q)
    if state is TradingState.HALTED:
        return refusals.TradingHalted(f"halted by {', '.join(ids)}")
    if (account and not q.reduces_account) or (strategy and not q.reduces_strategy):
        return refusals.TradingReducing(f"only reductions, by {', '.join(ids)}")
    return None


def paused(q: Question) -> Refusal | None:
    """A paused strategy may only reduce its own sub-ledger."""
    strategy = q.state.strategy(q.intent.strategy)
    if strategy.paused and not q.reduces_strategy:
        return refusals.StrategyPaused(strategy.pause_reason)
    return None


def restricted(q: Question) -> Refusal | None:
    """Allow-list and restricted list; what is held may still be reduced."""
    name = q.intent.instrument_id
    if q.is_reduction:
        return None
    if name in q.limits.instruments_restricted:
        return refusals.SymbolRestricted(f"{name} is on the restricted list")
    if name not in q.limits.instruments_allowed:
        return refusals.SymbolRestricted(f"{name} is not on the list of allowed instruments")
    return None


def shaped(q: Question) -> Refusal | None:
    """Tick, lot and the venue's bounds; a market order's notional is taken at the mark."""
    prices = tuple(price for price in (q.intent.limit_price, q.intent.stop_price) if price is not None)
    at = q.intent.limit_price or q.intent.stop_price or q.mark_price
    return shape_fault(q.instrument, quantity=q.intent.quantity, prices=prices, notional_price=at)


def market_trusted(q: Question) -> Refusal | None:
    """The feed of this instrument, as its venue's status has it."""
    doubt = q.context.doubts.get(q.intent.instrument_id)
    return refusals.DoubtfulMarket(doubt) if doubt and not q.is_reduction else None


def marks_fresh(q: Question) -> Refusal | None:
    """The mark of this instrument, and of everything held: without them neither value nor loss is known."""
    if q.is_reduction:
        return None
    limit = Decimal(q.limits.mark_age_max_ms)
    for name in _needed_marks(q):
        mark = q.context.marks.get(name) or q.state.wealth.marks.get(name)
        if mark is None:
            return refusals.NoMark(f"{name} is held and has no mark")
        age_ns = q.context.ts_market_ns - mark.ts_event_ns
        if age_ns > q.limits.mark_age_max_ms * NS_PER_MS:
            return refusals.StaleMark(f"mark of {name}", limit, Decimal(age_ns // NS_PER_MS))
    return None


def _needed_marks(q: Question) -> Iterator[str]:
    yield q.intent.instrument_id
    source = q.state.wealth.price_source(q.instrument.quote, q.context.marks)
    if source is not None:
        yield source
    for name, position in q.state.wealth.net.items():
        instrument = q.context.instruments.get(name)
        if position.quantity and not (instrument and is_dust(instrument, position.quantity)):
            yield name


def price_collar(q: Question) -> Refusal | None:
    """No limit price is far through the mark, whatever the order does.

    That of a stop order is measured from its stop, or from the mark that has passed the stop already.
    """
    price = q.intent.limit_price
    if price is None:
        return None
    buys = q.intent.side is Side.BUY
    triggers_above = buys == (q.intent.order_type is OrderType.STOP_LOSS_LIMIT)
    prices = (q.mark_price, q.intent.stop_price or q.mark_price)
    reference = max(prices) if triggers_above else min(prices)
    room = percent_of(reference, q.limits.price_collar_percent)
    bound = reference + room if buys else reference - room
    if price > bound if buys else price < bound:
        return refusals.PriceCollarExceeded(f"limit price against {reference}", bound, price)
    return None


def only_reduces(q: Question) -> Refusal | None:
    """`reduce_only` is a promise to lower the strategy's own position."""
    if q.intent.reduce_only and not q.reduces_strategy:
        held = q.state.position(q.intent.strategy, q.intent.instrument_id).quantity
        return refusals.NotAReduction("reduce_only, but it would not reduce", held, q.intent.quantity)
    return None


def holds_what_it_sells(q: Question) -> Refusal | None:
    """On spot a strategy sells no more than its own sub-ledger holds, less what it is already selling."""
    if q.intent.side is not Side.SELL:
        return None
    place = (q.intent.strategy, q.intent.instrument_id)
    held = q.state.position(*place).quantity - q.ahead.open_of_strategy(*place, Side.SELL).quantity
    if q.intent.quantity > held:
        return refusals.SellExceedsHolding(f"{q.intent.strategy} has less to sell", held, q.intent.quantity)
    return None


def affordable(q: Question) -> Refusal | None:
    """The balance of the venue account that no other order can take, worst price and fee included."""
    held = q.reservation
    available = q.ahead.available(q.venue_account, held.asset)
    if held.amount > available:
        return refusals.InsufficientBalance(f"{held.asset} in {q.venue_account}", available, held.amount)
    return None


def order_value(q: Question) -> Refusal | None:
    """Notional of this one order at its worst price."""
    if q.order_value > q.limits.order_value_max and not q.is_reduction:
        return refusals.OrderValueExceeded("value at worst price", q.limits.order_value_max, q.order_value)
    return None


def position_size(q: Question) -> Refusal | None:
    """|position| if every open order of this side fills, and this one."""
    value = _position_value(q)
    if value > q.limits.position_value_max:
        detail = f"{q.intent.instrument_id} with all open orders filled"
        return refusals.PositionSizeExceeded(detail, q.limits.position_value_max, value)
    return None


def _position_value(q: Question) -> Decimal:
    """At the mark or at worst prices, the higher; nothing where this side can only lower the position."""
    net = q.state.net_position(q.intent.instrument_id).quantity
    towards = net if q.intent.side is Side.BUY else net.copy_negate()
    working, quantity = q.open_on_side, q.intent.quantity
    if towards + working.quantity + quantity <= ZERO:
        return ZERO
    at_mark = (towards + working.quantity + quantity) * q.mark_price
    at_worst = towards * q.mark_price + working.value + quantity * q.worst_price
    return max(at_mark, at_worst) * q.rate


def concentration(q: Question) -> Refusal | None:
    """The same value as a share of equity: one instrument is not everything."""
    value, equity = _position_value(q), q.ahead.equity
    if value * HUNDRED <= q.limits.concentration_max_percent * equity or value <= ZERO:
        return None
    observed = ratio(value * HUNDRED, equity) if equity > ZERO else HUNDRED
    detail = f"percent of equity {equity} in {q.intent.instrument_id} with all open orders filled"
    return refusals.ConcentrationExceeded(detail, q.limits.concentration_max_percent, observed)


def strategy_exposure(q: Question) -> Refusal | None:
    """What the strategy holds and may still buy, each buy as in a position's size; no limit without own capital."""
    capital = q.state.strategy_capital(q.intent.strategy)
    if q.intent.side is not Side.BUY or not capital:
        return None
    limit = percent_of(capital, q.limits.strategy_exposure_max_percent)
    value = q.ahead.long_of_strategy(q.intent.strategy, q.reservation, q.context.marks)
    if value > limit:
        return refusals.StrategyExposureExceeded(f"{q.intent.strategy} with all its buys filled", limit, value)
    return None


def order_rate(q: Question) -> Refusal | None:
    """Orders of one strategy in a minute of the market clock: one that runs wild is slowed, its exits are not."""
    approved = q.ahead.orders_at(q.intent.strategy, q.context.ts_market_ns)
    if q.is_reduction or approved < q.limits.orders_per_minute_max:
        return None
    limit, observed = Decimal(q.limits.orders_per_minute_max), Decimal(approved + 1)
    return refusals.OrderRateExceeded(f"orders of {q.intent.strategy} in this minute", limit, observed)


def open_positions(q: Question) -> Refusal | None:
    """Instruments with a position above dust or an open order, this one included."""
    open_now = q.ahead.open_instruments(q.context.instruments)
    if q.intent.instrument_id in open_now or len(open_now) < q.limits.open_positions_max:
        return None
    limit, observed = Decimal(q.limits.open_positions_max), Decimal(len(open_now) + 1)
    return refusals.OpenPositionsExceeded(f"open: {', '.join(open_now)}", limit, observed)


def loss_and_drawdown(q: Question) -> Refusal | None:
    """Loss since the start of the day, and drawdown from the durable peak, as they stand now."""
    return None if q.reduces_account else breach(q.state, q.limits, q.ahead.equity)


def breach(state: AccountState, limits: AccountLimits, equity: Decimal) -> Refusal | None:
    """The loss limit or drawdown limit that `equity` has reached. Without capital there is nothing left to lose."""
    start, peak = state.start_of_day_equity or ZERO, state.peak_equity or ZERO
    loss, loss_max = start - equity, percent_of(start, limits.daily_loss_max_percent)
    if loss >= loss_max or start <= ZERO:
        detail = f"since the start of {state.day or 'the day'}, realised and unrealised"
        return refusals.DailyLossExceeded(detail, loss_max, loss)
    if peak <= ZERO:
        return refusals.DrawdownExceeded("the peak of equity is not above zero", ZERO, peak)
    if (peak - equity) * HUNDRED >= limits.drawdown_max_percent * peak:
        observed = ratio((peak - equity) * HUNDRED, peak)
        return refusals.DrawdownExceeded(f"percent below the peak {peak}", limits.drawdown_max_percent, observed)
    return None


def verified_reduction(q: Question) -> bool:
    """What execution may let through under REDUCING: every scope that is restricted now goes down, else both."""
    _, account, strategy, _ = restricted_scopes(q)
    account = account or breach(q.state, q.limits, q.ahead.equity) is not None
    strategy = strategy or q.state.strategy(q.intent.strategy).paused
    if not (account or strategy):
        return q.is_reduction
    return (q.reduces_account or not account) and (q.reduces_strategy or not strategy)


CHECKS: Final[tuple[Check, ...]] = (
    halted,
    paused,
    restricted,
    shaped,
    market_trusted,
    marks_fresh,
    price_collar,
    only_reduces,
    holds_what_it_sells,
    order_value,
    position_size,
    open_positions,
    loss_and_drawdown,
    affordable,
    concentration,
    strategy_exposure,
    order_rate,
)
"""Asked in this order; each has its own code."""
