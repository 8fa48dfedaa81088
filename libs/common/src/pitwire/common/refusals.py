"""The gate's no to an intent: values, one class per denial code, each with the numbers that belong to its check.

They are grouped by what the asker should do; `pitwire.common.errors` draws the tree. The docstring of a class is the
meaning that the reference and `pitwire why` show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Final

from pitwire.common.enums import DenialCode


@dataclass(frozen=True)
class Refusal:
    """No, with one reason. `limit` is what was allowed or had, `observed` what the intent would have made of it."""

    code: ClassVar[DenialCode]
    detail: str
    limit: Decimal | None = None
    observed: Decimal | None = None

    @classmethod
    def meaning(cls) -> str:
        return " ".join((cls.__doc__ or "").split())


class InvalidOrder(Refusal):
    """The order or its address is wrong: repeating it is useless."""


class AskAgain(Refusal):
    """Nothing is wrong with the order: something is late or not there yet."""


class Stopped(Refusal):
    """A person or a limit stopped trading here: only a reduction or a resume helps."""


class RiskRefusal(Refusal):
    """A risk limit: wait until there is room, or ask for less."""


@dataclass(frozen=True)
class LimitExceeded(RiskRefusal):
    """With the limit and what was observed."""

    limit: Decimal = field()
    observed: Decimal = field()


@dataclass(frozen=True)
class NotCovered(Refusal):
    """The money or the holding is not there: ask for no more than what is free."""

    limit: Decimal = field()
    observed: Decimal = field()


class Malformed(InvalidOrder):
    """The intent could not be read. Three in a row pause that strategy alone."""

    code = DenialCode.MALFORMED


class Duplicate(InvalidOrder):
    """Its number was decided before; the earlier verdict stands."""

    code = DenialCode.DUPLICATE


class IntentExpired(AskAgain):
    """It reached the gate after its `valid_until_ns`; the strategy may ask again."""

    code = DenialCode.INTENT_EXPIRED


class WrongPartition(InvalidOrder):
    """It came on the subject of another account or partition."""

    code = DenialCode.WRONG_PARTITION


class UnknownInstrument(InvalidOrder):
    """Nobody has published this instrument: is it in `venues.<name>.instruments`?"""

    code = DenialCode.UNKNOWN_INSTRUMENT


class UnknownStrategy(InvalidOrder):
    """No such strategy is registered in this account, or the limits do not allow it."""

    code = DenialCode.UNKNOWN_STRATEGY


class UnknownVenueAccount(InvalidOrder):
    """No venue account of this name belongs to the account."""

    code = DenialCode.UNKNOWN_VENUE_ACCOUNT


class UnknownOrder(InvalidOrder):
    """The order to cancel is not one of this account."""

    code = DenialCode.UNKNOWN_ORDER


class Unsupported(InvalidOrder):
    """This kind of intent or order type is not traded here."""

    code = DenialCode.UNSUPPORTED


class NotReady(AskAgain):
    """The gate has not read all it needs since it started; ask again."""

    code = DenialCode.NOT_READY


class Disagreement(AskAgain):
    """The processes an order passes differ in configuration, message schemas or release: see `pitwire status`."""

    code = DenialCode.DISAGREEMENT


class PriceTick(InvalidOrder):
    """A price is not a multiple of the instrument's tick."""

    code = DenialCode.PRICE_TICK


class QuantityLot(InvalidOrder):
    """The quantity is not a multiple of the instrument's lot."""

    code = DenialCode.QUANTITY_LOT


class QuantityRange(InvalidOrder):
    """The quantity is below the instrument's minimum or above its maximum."""

    code = DenialCode.QUANTITY_RANGE


class NotionalBelowMinimum(InvalidOrder):
    """Quantity times price is below what the venue accepts."""

    code = DenialCode.NOTIONAL_BELOW_MINIMUM


class NotionalAboveMaximum(InvalidOrder):
    """Quantity times price is above what the venue accepts."""

    code = DenialCode.NOTIONAL_ABOVE_MAXIMUM


class NoMark(AskAgain):
    """There is no price yet to value the order at."""

    code = DenialCode.NO_MARK


class StaleMark(AskAgain):
    """The newest price is older than `mark_age_max_ms` of the market clock."""

    code = DenialCode.STALE_MARK


class DoubtfulMarket(AskAgain):
    """The feed is silent, stale, in maintenance or without its book, or its data is flagged: reductions pass."""

    code = DenialCode.DOUBTFUL_MARKET


class TradingHalted(Stopped):
    """A halt covers it. `pitwire status` lists halts, `pitwire resume` clears them."""

    code = DenialCode.TRADING_HALTED


class TradingReducing(Stopped):
    """Only orders that lower the position pass while the account is reducing."""

    code = DenialCode.TRADING_REDUCING


class StrategyPaused(Stopped):
    """The strategy is paused or in quarantine; its reductions and cancels still pass."""

    code = DenialCode.STRATEGY_PAUSED


class SymbolRestricted(RiskRefusal):
    """`instruments_allowed` does not name it, or `instruments_restricted` does."""

    code = DenialCode.SYMBOL_RESTRICTED


class OrderValueExceeded(LimitExceeded):
    """The order at its worst price is worth more than `order_value_max`."""

    code = DenialCode.ORDER_VALUE_EXCEEDED


class PositionSizeExceeded(LimitExceeded):
    """Position, working orders and this one could pass `position_value_max`."""

    code = DenialCode.POSITION_SIZE_EXCEEDED


class OpenPositionsExceeded(LimitExceeded):
    """It would open one more instrument than `open_positions_max`."""

    code = DenialCode.OPEN_POSITIONS_EXCEEDED


class PriceCollarExceeded(LimitExceeded):
    """The limit price is further through the mark than `price_collar_percent`: a mistyped price, or an old one."""

    code = DenialCode.PRICE_COLLAR_EXCEEDED


class ConcentrationExceeded(LimitExceeded):
    """One instrument could become more than `concentration_max_percent` of equity."""

    code = DenialCode.CONCENTRATION_EXCEEDED


class StrategyExposureExceeded(LimitExceeded):
    """The strategy could hold more than `strategy_exposure_max_percent` of its capital."""

    code = DenialCode.STRATEGY_EXPOSURE_EXCEEDED


class OrderRateExceeded(LimitExceeded):
    """The strategy had `orders_per_minute_max` orders approved in this minute of the market clock."""

    code = DenialCode.ORDER_RATE_EXCEEDED


class DailyLossExceeded(LimitExceeded):
    """Today's loss reached `daily_loss_max_percent` of the equity the day began with."""

    code = DenialCode.DAILY_LOSS_EXCEEDED


class DrawdownExceeded(LimitExceeded):
    """Equity fell `drawdown_max_percent` below its peak; the peak does not reset."""

    code = DenialCode.DRAWDOWN_EXCEEDED


class InsufficientBalance(NotCovered):
    """Free money, after reservations and worst-case fees, does not cover it."""

    code = DenialCode.INSUFFICIENT_BALANCE


class SellExceedsHolding(NotCovered):
    """The strategy's own sub-ledger holds less than it wants to sell."""

    code = DenialCode.SELL_EXCEEDS_HOLDING


class NotAReduction(InvalidOrder):
    """It says `reduce_only` but would not lower the position."""

    code = DenialCode.NOT_A_REDUCTION


def _leaves(base: type[Refusal]) -> Iterator[type[Refusal]]:
    for kind in base.__subclasses__():
        yield from _leaves(kind) if kind.__subclasses__() else (kind,)


REFUSALS: Final = {kind.code: kind for kind in sorted(_leaves(Refusal), key=lambda kind: kind.code)}
"""Denial code to its class: every code has one, by test."""
