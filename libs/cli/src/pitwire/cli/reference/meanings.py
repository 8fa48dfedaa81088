"""What each code means and what to do about it, in words a person at the terminal needs; complete by test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pitwire.common.enums import DenialCode, NotSentReason

DENIALS: Final[Mapping[DenialCode, str]] = {
    DenialCode.MALFORMED: "The intent could not be read. Three in a row pause that strategy alone.",
    DenialCode.DUPLICATE: "Its number was decided before; the earlier verdict stands.",
    DenialCode.INTENT_EXPIRED: "It reached the gate after its `valid_until_ns`; the strategy may ask again.",
    DenialCode.WRONG_PARTITION: "It came on the subject of another account or partition.",
    DenialCode.UNKNOWN_INSTRUMENT: "Nobody has published this instrument: is it in `venues.<name>.instruments`?",
    DenialCode.UNKNOWN_STRATEGY: "No such strategy is registered in this account, or the limits do not allow it.",
    DenialCode.UNKNOWN_VENUE_ACCOUNT: "No venue account of this name belongs to the account.",
    DenialCode.UNKNOWN_ORDER: "The order to cancel is not one of this account.",
    DenialCode.UNSUPPORTED: "This kind of intent or order type is not traded here.",
    DenialCode.NOT_READY: "The gate has not read all it needs since it started; ask again.",
    DenialCode.PRICE_TICK: "A price is not a multiple of the instrument's tick.",
    DenialCode.QUANTITY_LOT: "The quantity is not a multiple of the instrument's lot.",
    DenialCode.QUANTITY_RANGE: "The quantity is below the instrument's minimum or above its maximum.",
    DenialCode.NOTIONAL_BELOW_MINIMUM: "Quantity times price is below what the venue accepts.",
    DenialCode.NOTIONAL_ABOVE_MAXIMUM: "Quantity times price is above what the venue accepts.",
    DenialCode.NO_MARK: "There is no price yet to value the order at.",
    DenialCode.STALE_MARK: "The newest price is older than `mark_age_max_ms` of the market clock.",
    DenialCode.TRADING_HALTED: "A halt covers it. `pitwire status` lists halts, `pitwire resume` clears them.",
    DenialCode.TRADING_REDUCING: "Only orders that lower the position pass while the account is reducing.",
    DenialCode.STRATEGY_PAUSED: "The strategy is paused or in quarantine; its reductions and cancels still pass.",
    DenialCode.SYMBOL_RESTRICTED: "`instruments_allowed` does not name it, or `instruments_restricted` does.",
    DenialCode.ORDER_VALUE_EXCEEDED: "The order at its worst price is worth more than `order_value_max`.",
    DenialCode.POSITION_SIZE_EXCEEDED: "Position, working orders and this one could pass `position_value_max`.",
    DenialCode.OPEN_POSITIONS_EXCEEDED: "It would open one more instrument than `open_positions_max`.",
    DenialCode.DAILY_LOSS_EXCEEDED: "Today's loss reached `daily_loss_max_percent` of the equity the day began with.",
    DenialCode.DRAWDOWN_EXCEEDED: "Equity fell `drawdown_max_percent` below its peak; the peak does not reset.",
    DenialCode.INSUFFICIENT_BALANCE: "Free money, after reservations and worst-case fees, does not cover it.",
    DenialCode.SELL_EXCEEDS_HOLDING: "The strategy's own sub-ledger holds less than it wants to sell.",
    DenialCode.NOT_A_REDUCTION: "It says `reduce_only` but would not lower the position.",
}

NOT_SENT: Final[Mapping[NotSentReason, str]] = {
    NotSentReason.HALTED: "A halt stood before the order on the journal.",
    NotSentReason.REDUCING: "Reducing, and the order is not a verified reduction.",
    NotSentReason.APPROVAL_EXPIRED: "The approval was older than two seconds when the order was about to leave.",
    NotSentReason.PARENT_BUDGET_SPENT: "The children of its parent have used what was approved.",
    NotSentReason.VENUE_UNAVAILABLE: "The venue is not connected.",
    NotSentReason.CLOCK_SKEW: "This machine's clock and the venue's are too far apart to sign a request.",
    NotSentReason.LOST_LEADERSHIP: "Another process leads this account now.",
    NotSentReason.CANCELED_FIRST: "It was cancelled before it left.",
    NotSentReason.GATE_SILENT: "The gate has not been heard for three seconds: nothing new leaves without it.",
    NotSentReason.UNSUPPORTED: "The venue cannot do what was approved.",
    NotSentReason.INVALID_APPROVAL: "The approval does not match its intent; the account is halted and alerted.",
}
