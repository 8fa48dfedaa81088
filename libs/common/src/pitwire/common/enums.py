"""Closed vocabularies of the wire and of every core; FIX meaning where FIX has the word."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """FIX 54."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL: the direction in which a fill moves a position."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """FIX 40, spelled as spot venues spell it."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"

    @property
    def has_limit_price(self) -> bool:
        return self in _LIMIT_PRICED

    @property
    def has_stop_price(self) -> bool:
        return self in _STOP_PRICED


_LIMIT_PRICED = frozenset({OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
_STOP_PRICED = frozenset(
    {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
)


class TimeInForce(StrEnum):
    """FIX 59."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(StrEnum):
    """FIX 39. PENDING_NEW, PENDING_CANCEL, UNKNOWN are ours, while in flight or in doubt; NOT_SENT if never sent."""

    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    UNKNOWN = "UNKNOWN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    NOT_SENT = "NOT_SENT"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.NOT_SENT}
)


class ExecType(StrEnum):
    """FIX 150: what this execution report tells; TRADE is a fill, TRADE_CANCEL a bust."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"
    STATUS = "STATUS"
    TRADE_CANCEL = "TRADE_CANCEL"
    TRADE_CORRECT = "TRADE_CORRECT"


class Liquidity(StrEnum):
    """FIX 1057 seen from our side."""

    MAKER = "MAKER"
    TAKER = "TAKER"


class TradingState(StrEnum):
    """ACTIVE trades; REDUCING lets verified reductions and cancels through; HALTED only cancels."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"

    @property
    def severity(self) -> int:
        return (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED).index(self)


class HaltScope(StrEnum):
    """What a halt covers."""

    ALL = "ALL"
    ACCOUNT = "ACCOUNT"
    STRATEGY = "STRATEGY"
    VENUE = "VENUE"
    INSTRUMENT = "INSTRUMENT"


class CancelPolicy(StrEnum):
    """Which working orders in the scope of a halt are cancelled."""

    NON_PROTECTIVE = "NON_PROTECTIVE"
    NONE = "NONE"
    ALL = "ALL"


class IntentKind(StrEnum):
    """ORDER is one venue order; PARENT an algo whose children share one approval; BASKET several legs at once."""

    ORDER = "ORDER"
    PARENT = "PARENT"
    BASKET = "BASKET"


class DenialCode(StrEnum):
    """Why the gate refused an intent. One check, one code; never reused."""

    MALFORMED = "MALFORMED"
    DUPLICATE = "DUPLICATE"
    INTENT_EXPIRED = "INTENT_EXPIRED"
    WRONG_PARTITION = "WRONG_PARTITION"
    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
    UNKNOWN_STRATEGY = "UNKNOWN_STRATEGY"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    UNKNOWN_VENUE_ACCOUNT = "UNKNOWN_VENUE_ACCOUNT"
    UNSUPPORTED = "UNSUPPORTED"
    NOT_READY = "NOT_READY"
    DISAGREEMENT = "DISAGREEMENT"
    PRICE_TICK = "PRICE_TICK"
    QUANTITY_LOT = "QUANTITY_LOT"
    QUANTITY_RANGE = "QUANTITY_RANGE"
    NOTIONAL_BELOW_MINIMUM = "NOTIONAL_BELOW_MINIMUM"
    NOTIONAL_ABOVE_MAXIMUM = "NOTIONAL_ABOVE_MAXIMUM"
    NO_MARK = "NO_MARK"
    STALE_MARK = "STALE_MARK"
    DOUBTFUL_MARKET = "DOUBTFUL_MARKET"
    PRICE_COLLAR_EXCEEDED = "PRICE_COLLAR_EXCEEDED"
    TRADING_HALTED = "TRADING_HALTED"
    TRADING_REDUCING = "TRADING_REDUCING"
    STRATEGY_PAUSED = "STRATEGY_PAUSED"
    SYMBOL_RESTRICTED = "SYMBOL_RESTRICTED"
    ORDER_VALUE_EXCEEDED = "ORDER_VALUE_EXCEEDED"
    POSITION_SIZE_EXCEEDED = "POSITION_SIZE_EXCEEDED"
    OPEN_POSITIONS_EXCEEDED = "OPEN_POSITIONS_EXCEEDED"
    CONCENTRATION_EXCEEDED = "CONCENTRATION_EXCEEDED"
    STRATEGY_EXPOSURE_EXCEEDED = "STRATEGY_EXPOSURE_EXCEEDED"
    ORDER_RATE_EXCEEDED = "ORDER_RATE_EXCEEDED"
    DAILY_LOSS_EXCEEDED = "DAILY_LOSS_EXCEEDED"
    DRAWDOWN_EXCEEDED = "DRAWDOWN_EXCEEDED"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    SELL_EXCEEDS_HOLDING = "SELL_EXCEEDS_HOLDING"
    NOT_A_REDUCTION = "NOT_A_REDUCTION"


class NotSentReason(StrEnum):
    """Why execution let an approved order go no further than `Submitting`; the reservation is released."""

    HALTED = "HALTED"
    REDUCING = "REDUCING"
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED"
    PARENT_BUDGET_SPENT = "PARENT_BUDGET_SPENT"
    VENUE_UNAVAILABLE = "VENUE_UNAVAILABLE"
    CLOCK_SKEW = "CLOCK_SKEW"
    LOST_LEADERSHIP = "LOST_LEADERSHIP"
    CANCELED_FIRST = "CANCELED_FIRST"
    INVALID_APPROVAL = "INVALID_APPROVAL"
    GATE_SILENT = "GATE_SILENT"
    UNSUPPORTED = "UNSUPPORTED"


class DataQuality(StrEnum):
    """Travels with each market-data message; only OK may make a strategy trade."""

    OK = "OK"
    STALE = "STALE"
    GAP = "GAP"
    CROSSED = "CROSSED"
    SUSPECT = "SUSPECT"


class VenueState(StrEnum):
    """State of the feed of one venue."""

    CONNECTED = "CONNECTED"
    STALE = "STALE"
    DISCONNECTED = "DISCONNECTED"
    MAINTENANCE = "MAINTENANCE"


class AlertSeverity(StrEnum):
    """How soon a person should look."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class CommandVerb(StrEnum):
    """What an operator may ask of a service."""

    RESUME = "resume"
    PAUSE = "pause"
    LIMITS = "limits"
    ORDER = "order"
    CANCEL = "cancel"
    FLATTEN = "flatten"
    CAPITAL = "capital"


class CommandStatus(StrEnum):
    """What became of a command."""

    DONE = "DONE"
    REFUSED = "REFUSED"
    EXPIRED = "EXPIRED"


class DeliveryKind(StrEnum):
    """What was done to the strategies of a process in one step."""

    FOLDED = "FOLDED"
    WARMED_UP = "WARMED_UP"
    JOURNAL = "JOURNAL"
    CANDLE = "CANDLE"
    TICK = "TICK"
    INSTRUMENT = "INSTRUMENT"
    EXPIRED = "EXPIRED"
