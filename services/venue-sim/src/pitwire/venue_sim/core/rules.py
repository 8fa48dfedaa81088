"""What a symbol allows: ticks, lots, limits, and the filter checks of new orders (Binance Spot API, filters)."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from pitwire.venue_sim.core.errors import filter_failure
from pitwire.venue_sim.core.types import MARKET_KINDS, STOP_KINDS, NewOrder, Order, OrderType
from pitwire.venue_sim.core.units import decimals_of

ICEBERG_PARTS_MAX = 100
AMENDS_MAX = 10
TRAILING_DELTA_MIN_BIPS = 10
TRAILING_DELTA_MAX_BIPS = 2000
PERCENT_PRICE_UP = Decimal(5)
PERCENT_PRICE_DOWN = Decimal("0.2")
AVERAGE_PRICE_MINUTES = 5
DEFAULT_STP_MODE = "EXPIRE_MAKER"
"""What Binance's large symbols do when an order would trade with another of its own account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRules:
    """One listed symbol. Prices in `quote`, quantities in `base`."""

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_step: Decimal
    price_max: Decimal = Decimal(1_000_000)
    quantity_max: Decimal = Decimal(9000)
    market_quantity_max: Decimal = Decimal(1000)
    notional_min: Decimal = Decimal(5)
    notional_max: Decimal = Decimal(9_000_000)
    orders_max: int = 200
    stop_orders_max: int = 5
    iceberg_orders_max: int = 10
    order_lists_max: int = 20
    position_max: Decimal | None = None

    @property
    def price_decimals(self) -> int:
        return decimals_of(self.tick_size)

    @property
    def quantity_decimals(self) -> int:
        return decimals_of(self.lot_step)


def check_filters(rules: SymbolRules, order: NewOrder, *, reference_price: Decimal) -> None:
    """Refuse an order that breaks a filter of its symbol.

    `reference_price` is the average price of the last minutes, what PERCENT_PRICE_BY_SIDE and the notional of an order
    without a limit are measured with.

    Raises:
        VenueError: -1013 with the name of the first filter that fails.
    """
    for price in (order.limit_price, order.stop_price):
        if price is not None and not _price_fits(rules, price):
            raise filter_failure("PRICE_FILTER")
    if order.limit_price is not None and reference_price:
        lowest, highest = PERCENT_PRICE_DOWN * reference_price, PERCENT_PRICE_UP * reference_price
        if not lowest <= order.limit_price <= highest:
            raise filter_failure("PERCENT_PRICE_BY_SIDE")
    for quantity in (order.quantity, order.iceberg_quantity):
        if quantity is not None and not _quantity_fits(rules, quantity):
            raise filter_failure("LOT_SIZE")
    if order.quantity is not None:
        if order.order_type is OrderType.MARKET and order.quantity > rules.market_quantity_max:
            raise filter_failure("MARKET_LOT_SIZE")
        price = order.limit_price or (reference_price if order.order_type in MARKET_KINDS else order.stop_price)
        _check_notional(rules, (price or reference_price) * order.quantity)
        _check_iceberg(order.quantity, order.iceberg_quantity)
    if order.quote_quantity is not None:
        _check_notional(rules, order.quote_quantity)
    delta = order.trailing_delta
    if delta is not None and not TRAILING_DELTA_MIN_BIPS <= delta <= TRAILING_DELTA_MAX_BIPS:
        raise filter_failure("TRAILING_DELTA")


def check_amended(rules: SymbolRules, order: Order, quantity: Decimal) -> None:
    """Refuse an amendment to a quantity that the symbol's filters do not allow (-1013)."""
    if not _quantity_fits(rules, quantity):
        raise filter_failure("LOT_SIZE")
    price = order.limit_price or order.stop_price
    if price:
        _check_notional(rules, price * quantity)


def check_counts(rules: SymbolRules, order: NewOrder, *, open_orders: int, open_stops: int, open_icebergs: int) -> None:
    """Refuse an order when the account already has too many open ones on the symbol.

    Raises:
        VenueError: -1013 with the name of the filter.
    """
    if order.order_type is not OrderType.MARKET and open_orders >= rules.orders_max:
        raise filter_failure("MAX_NUM_ORDERS")
    if order.order_type in STOP_KINDS and open_stops >= rules.stop_orders_max:
        raise filter_failure("MAX_NUM_ALGO_ORDERS")
    if order.iceberg_quantity and open_icebergs >= rules.iceberg_orders_max:
        raise filter_failure("MAX_NUM_ICEBERG_ORDERS")


def _price_fits(rules: SymbolRules, price: Decimal) -> bool:
    return rules.tick_size <= price <= rules.price_max and price % rules.tick_size == 0


def _quantity_fits(rules: SymbolRules, quantity: Decimal) -> bool:
    return rules.lot_step <= quantity <= rules.quantity_max and quantity % rules.lot_step == 0


def _check_notional(rules: SymbolRules, notional: Decimal) -> None:
    if not rules.notional_min <= notional <= rules.notional_max:
        raise filter_failure("NOTIONAL")


def _check_iceberg(quantity: Decimal, iceberg_quantity: Decimal | None) -> None:
    if iceberg_quantity:
        parts = (quantity / iceberg_quantity).to_integral_value(rounding=ROUND_CEILING)
        if parts > ICEBERG_PARTS_MAX:
            raise filter_failure("ICEBERG_PARTS")


def describe(rules: SymbolRules, *, is_halted: bool = False) -> dict[str, object]:
    """The symbol as exchangeInfo shows it; only filter types that every known client understands."""
    return {
        "symbol": rules.symbol,
        "status": "HALT" if is_halted else "TRADING",
        "baseAsset": rules.base,
        "baseAssetPrecision": 8,
        "quoteAsset": rules.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [kind.value for kind in OrderType],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(rules),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": DEFAULT_STP_MODE,
        "allowedSelfTradePreventionModes": [
            "NONE",
            "EXPIRE_TAKER",
            "EXPIRE_MAKER",
            "EXPIRE_BOTH",
            "DECREMENT",
            "TRANSFER",
        ],
    }


def account_filters(rules: SymbolRules) -> list[dict[str, object]]:
    """Filters that hold for an account's orders but that some clients refuse to read in exchangeInfo."""
    filters: list[dict[str, object]] = [
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": rules.order_lists_max},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": AMENDS_MAX},
    ]
    if rules.position_max is not None:
        filters.append({"filterType": "MAX_POSITION", "maxPosition": f"{rules.position_max:.8f}"})
    return filters


def _filters(rules: SymbolRules) -> list[dict[str, object]]:
    tick, step = f"{rules.tick_size:.8f}", f"{rules.lot_step:.8f}"
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": f"{rules.price_max:.8f}", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": f"{rules.quantity_max:.8f}", "stepSize": step},
        {"filterType": "ICEBERG_PARTS", "limit": ICEBERG_PARTS_MAX},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": f"{rules.market_quantity_max:.8f}",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": TRAILING_DELTA_MIN_BIPS,
            "maxTrailingAboveDelta": TRAILING_DELTA_MAX_BIPS,
            "minTrailingBelowDelta": TRAILING_DELTA_MIN_BIPS,
            "maxTrailingBelowDelta": TRAILING_DELTA_MAX_BIPS,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": str(PERCENT_PRICE_UP),
            "bidMultiplierDown": str(PERCENT_PRICE_DOWN),
            "askMultiplierUp": str(PERCENT_PRICE_UP),
            "askMultiplierDown": str(PERCENT_PRICE_DOWN),
            "avgPriceMins": AVERAGE_PRICE_MINUTES,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": f"{rules.notional_min:.8f}",
            "applyMinToMarket": True,
            "maxNotional": f"{rules.notional_max:.8f}",
            "applyMaxToMarket": True,
            "avgPriceMins": AVERAGE_PRICE_MINUTES,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.orders_max},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": rules.stop_orders_max},
        {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": rules.iceberg_orders_max},
    ]
