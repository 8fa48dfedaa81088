"""What the gate writes without being asked: the session day, marks, quarantine; and what it tells of the account."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from pitwire.common.enums import TradingState
from pitwire.common.errors import InvariantBroken
from pitwire.common.instruments import InstrumentRegistry, assets_of
from pitwire.common.money import HUNDRED, ZERO, exact, on_wire, percent_of, ratio
from pitwire.common.portfolio import AccountState
from pitwire.common.portfolio.holdings import Marks
from pitwire.common.schemas.ledger import DayRolled, Mark, MarksRecorded, StrategyPaused
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.units import NS_PER_S
from pitwire.risk_gate.core.ahead import Ahead
from pitwire.risk_gate.core.checks import breach

NS_PER_DAY: Final = 86_400 * NS_PER_S
MARKS_PERIOD_NS: Final = NS_PER_S
"""Market time between two `MarksRecorded` while something is exposed and nothing urgent happens."""

MARKS_MAX: Final = 1_000
MALFORMED_MAX: Final = 3
"""Unreadable intents in a row after which a strategy is quarantined."""

Place = Mapping[str, Any]
"""The fields that put a record at the end of the ledger: account, number, epoch, cursors, hash, clocks."""


def session_day(ts_market_ns: int) -> str:
    """The UTC day of a market time."""
    return _day_text(ts_market_ns // NS_PER_DAY)


@lru_cache(maxsize=2)
def _day_text(days: int) -> str:
    """The date so many days after 1970-01-01: asked with every event, new once a day."""
    return (date(1970, 1, 1) + timedelta(days)).isoformat()


def day_due(state: AccountState, marks: Marks, *, ts_market_ns: int, place: Place) -> DayRolled | None:
    """The day's record where the market clock has reached a day that the ledger has not; never twice, never back.

    What the record will cover must be applied first (`AccountState.advance`).
    """
    if not ts_market_ns:
        return None
    day = session_day(ts_market_ns)
    if day <= state.day:
        return None
    require_applied(state)
    return DayRolled(**place, day=day, start_equity=on_wire(state.equity(marks)))


def marks_due(
    state: AccountState, marks: Marks, *, ts_market_ns: int, periodic: bool = True, quiet: bool = True
) -> bool:
    """Whether marks are to be recorded now.

    Where the ledger is `quiet` and journal events wait that change money, exposure or halts (the record covers them: a
    busy ledger's next decision will), and at once where the new marks cross a loss or drawdown limit; else while
    exposed, once in `MARKS_PERIOD_NS` of market time if `periodic`.
    """
    if quiet and state.has_news:
        return True
    if not new_marks(state, marks):
        return False
    return crosses_limit(state, marks) or (periodic and ts_market_ns - state.marks_ts_market_ns >= MARKS_PERIOD_NS)


def marks_record(state: AccountState, marks: Marks, *, place: Place, asset: str = "") -> MarksRecorded:
    """The marks that `marks_due` asks for, and what says the worth of `asset`; apply what it will cover first."""
    require_applied(state)
    source = state.wealth.price_source(asset, marks) if asset else None
    return MarksRecorded(**place, marks=new_marks(state, marks, (source,) if source else ())[:MARKS_MAX])


def require_applied(state: AccountState) -> None:
    """Raises where a record made now would cover events that this state does not show."""
    if not state.is_advanced:
        msg = f"{state.account}: {state.pending_count} journal events are read but not applied; advance before deciding"
        raise InvariantBroken(msg)


def new_marks(state: AccountState, marks: Marks, also: Collection[str] = ()) -> tuple[Mark, ...]:
    """The marks of everything exposed, and of `also`, that differ from what the ledger recorded last."""
    wanted = dict.fromkeys(state.exposed_instruments(marks))
    wanted |= dict.fromkeys(also)
    quotes = dict.fromkeys(assets_of(name)[1] for name in also)
    sources = (state.wealth.price_source(asset, marks) for asset in quotes)
    wanted |= dict.fromkeys(source for source in sources if source)
    found = (marks[name] for name in wanted if name in marks)
    return tuple(mark for mark in found if mark != state.wealth.marks.get(mark.instrument_id))


def crosses_limit(state: AccountState, marks: Marks) -> bool:
    """Whether `marks` lead into or out of a loss or drawdown limit that the recorded marks do not."""
    if state.limits is None or state.start_of_day_equity is None:
        return False
    recorded, now = state.equity(), state.equity(marks)
    return recorded != now and _breached(state, state.limits, recorded) != _breached(state, state.limits, now)


@exact
def _breached(state: AccountState, limits: AccountLimits, equity: Decimal) -> bool:
    return breach(state, limits, equity) is not None


def quarantine_due(state: AccountState, *, place: Place) -> StrategyPaused | None:
    """The pause of a strategy that sent `MALFORMED_MAX` unreadable intents in a row; of it alone."""
    for name in state.strategies:
        strategy = state.strategy(name)
        if strategy.malformed >= MALFORMED_MAX and not strategy.paused:
            reason = f"{strategy.malformed} unreadable intents in a row"
            return StrategyPaused(**place, strategy=name, paused=True, reason=reason)
    return None


@exact
def metrics(
    state: AccountState, marks: Marks, *, instruments: InstrumentRegistry | None = None
) -> dict[str, Decimal | int | str]:
    """The figures of `RiskMetrics`: where the account stands against its limits at these marks."""
    equity = state.equity(marks)
    start, peak = state.start_of_day_equity or ZERO, state.peak_equity or ZERO
    below = max(peak - equity, ZERO)
    limits = state.limits
    loss_max = percent_of(start, limits.daily_loss_max_percent) if limits else ZERO
    trading, _ = state.halts.state_for(state.account)
    if trading is TradingState.ACTIVE and (limits is None or breach(state, limits, equity) is not None):
        trading = TradingState.REDUCING
    return {
        "equity": on_wire(equity),
        "cash": on_wire(state.cash),
        "start_of_day_equity": on_wire(start),
        "peak_equity": on_wire(peak),
        "daily_pnl": on_wire(equity - start),
        "daily_loss_remaining": on_wire(max(loss_max + equity - start, ZERO)),
        "drawdown_percent": on_wire(ratio(below * HUNDRED, peak)) if peak > ZERO else (HUNDRED if below else ZERO),
        "drawdown_max_percent": limits.drawdown_max_percent if limits else ZERO,
        "open_positions": len(Ahead(state, marks).open_instruments(instruments or InstrumentRegistry())),
        "working_orders": state.exposure.order_count,
        "trading_state": trading.value,
    }
