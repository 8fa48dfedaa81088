"""From a job and its candles to an engine that is ready to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.engine import TTL_NS, Engine, check_candles
from pitwire.backtest.core.job import Job, StrategyJob
from pitwire.common.errors import ConfigError
from pitwire.common.money import floor_to, ratio
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.units import NS_PER_MS
from pitwire.strategy.core.making import Spec

UNBOUND: Final = Decimal(1_000)
"""Times the capital: limits that a job does not set are so wide that they never bind."""

ORDERS_UNBOUND: Final = 1_000_000_000
"""Orders in a minute, where a job sets no limits."""

MARK_AGE_STEPS: Final = 2
"""A mark is at most so many candles old before it is stale, however long they are."""

CENT: Final = Decimal("0.01")


def engine_of(job: Job, candles: Sequence[Candles], make_strategy: Callable[[StrategyJob], object]) -> Engine:
    """A new engine with new strategies: every run begins from nothing."""
    check_candles(candles)
    names = tuple(each.name for each in candles)
    share = floor_to(ratio(job.capital, Decimal(len(job.strategies))), CENT)
    strategies = [
        (
            Spec(
                name=each.name,
                account="backtest",
                capital=each.capital or share,
                instruments=_instruments(each, names),
                interval=candles[0].interval,
                ttl_ns=TTL_NS,
            ),
            make_strategy(each),
        )
        for each in job.strategies
    ]
    return Engine(candles, strategies, capital=job.capital, limits=_limits(job, candles), model=job.fills)


def _instruments(strategy: StrategyJob, names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [each for each in strategy.instruments if each not in names]
    if unknown:
        what = f"{', '.join(unknown)} is not among the data; there is {', '.join(names)}"
        raise ConfigError(where=f"strategies.{strategy.name}.instruments", what=what)
    return strategy.instruments or names


def _limits(job: Job, candles: Sequence[Candles]) -> AccountLimits:
    """The job's limits on the instruments of the run; marks may be as old as two candles."""
    step_ms = candles[0].step_ns // NS_PER_MS
    wide = job.capital * UNBOUND
    values: Mapping[str, Any] = (
        job.limits.model_dump()
        if job.limits is not None
        else {
            "order_value_max": wide,
            "position_value_max": wide,
            "open_positions_max": len(candles),
            "daily_loss_max_percent": Decimal(100),
            "drawdown_max_percent": Decimal(100),
            "price_collar_percent": Decimal(100),
            "orders_per_minute_max": ORDERS_UNBOUND,
            "strategy_exposure_max_percent": UNBOUND * 100,
        }
    )
    age_ms = max(int(values.get("mark_age_max_ms", 0)), MARK_AGE_STEPS * step_ms, 1)
    allowed = tuple(each.name for each in candles)
    return AccountLimits.model_validate({**values, "instruments_allowed": allowed, "mark_age_max_ms": age_ms})


def why_not_compiled(job: Job, candles: Sequence[Candles]) -> str:
    """What in a job only the engine can do; empty where nothing is."""
    model = job.fills
    if len(candles) != 1:
        return "several instruments in one account"
    if job.limits is not None:
        return "limits of the account"
    if model.tiers or model.impact_bps or model.volume_share is not None:
        return "fills that depend on what was traded before or on volume"
    if model.latency_ms:
        return "latency"
    return ""
