"""An exchange of ccxt, made so that it does what we can answer for, and its errors sorted by what they say of an order.

What it must not do by itself: throttle (cancels would queue behind data), repeat (an order could stand twice), turn
amounts into floats, or wait for minutes until it notices that its peer is gone.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from pitwire.common.config import Network, VenueConfig
from pitwire.common.errors import ConfigError, VenueTrouble
from pitwire.execution.adapters.binance.errors import ErrorClass
from pitwire.execution.adapters.keys import ApiKey

INSTALL: Final = "ccxt is an extra: run `make ccxt`"
BINANCE: Final = "binance"
KEEP_ALIVE_MS: Final = 10_000
REQUEST_TIMEOUT_MS: Final = 10_000
CACHE_ROWS_MAX: Final = 1_000


def make_exchange(name: str, config: VenueConfig, key: ApiKey) -> Any:
    """An instance with the account's key; `ConfigError` where ccxt or the exchange is not to be had."""
    where = f"venues.{name}.exchange"
    try:
        library = importlib.import_module("ccxt.pro")
    except ModuleNotFoundError:
        raise ConfigError(where=where, what=INSTALL) from None
    kind = getattr(library, config.exchange, None) if config.exchange in library.exchanges else None
    if kind is None:
        raise ConfigError(where=where, what=f"ccxt has no exchange {config.exchange!r} with streams")
    if key.is_private and config.exchange != BINANCE:
        raise ConfigError(where=where, what="an Ed25519 key is for binance")
    made = kind(
        {
            "apiKey": key.api_key,
            "secret": key.secret.reveal(),
            "enableRateLimit": False,
            "timeout": REQUEST_TIMEOUT_MS,
            "newUpdates": True,
            "streaming": {"keepAlive": KEEP_ALIVE_MS},
            "options": {
                "adjustForTimeDifference": True,
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchMargins": False,
                "fetchCurrencies": False,
                "maxRetriesOnFailure": 0,
                "ordersLimit": CACHE_ROWS_MAX,
                "tradesLimit": CACHE_ROWS_MAX,
                "recvWindow": config.recv_window_ms,
            },
        }
    )
    made.number = str
    _point(made, config, where)
    return made


def _point(made: Any, config: VenueConfig, where: str) -> None:
    """To the world that is configured."""
    if config.network is Network.TESTNET:
        made.set_sandbox_mode(True)
    elif config.network is Network.DEMO:
        made.enable_demo_trading(True)
    elif config.network is Network.SIMULATED:
        if config.exchange != BINANCE:
            raise ConfigError(where=where, what=f"{config.exchange} has no simulated venue, only {BINANCE} has")
        api, streams = f"{config.rest}/api/v3", {"spot": f"{config.ws}/stream/ws", "ws-api": {"spot": config.ws_api}}
        made.urls["api"] |= {"public": api, "private": api, "v1": f"{config.rest}/api/v1", "ws": streams}
        # Its own table knows Binance's hosts only, and would take some codes for general errors here.
        made.get_exceptions_by_url = partial(_exceptions, made.exceptions["spot"])


def _exceptions(known: Mapping[str, Any], _url: str, kind: str) -> Any:
    return known.get(kind, {})


# -- errors ----------------------------------------------------------------------------------------------------------

REFUSALS: Final[dict[str, ErrorClass]] = {
    "InsufficientFunds": ErrorClass.INSUFFICIENT_FUNDS,
    "OrderImmediatelyFillable": ErrorClass.REJECTED,
    "OrderNotFillable": ErrorClass.REJECTED,
    "MarketClosed": ErrorClass.MARKET_CLOSED,
    "BadSymbol": ErrorClass.BAD_REQUEST,
    "BadRequest": ErrorClass.BAD_REQUEST,
    "ArgumentsRequired": ErrorClass.BAD_REQUEST,
    "NotSupported": ErrorClass.UNSUPPORTED,
    "AuthenticationError": ErrorClass.UNAUTHORIZED,
    "PermissionDenied": ErrorClass.UNAUTHORIZED,
    "AccountSuspended": ErrorClass.UNAUTHORIZED,
    "InvalidNonce": ErrorClass.CLOCK_SKEW,
    "InvalidOrder": ErrorClass.INVALID_ORDER,
}
"""Classes of ccxt that say beyond doubt that the order was not taken. All others leave it in doubt."""

IN_DOUBT: Final = frozenset({"DuplicateOrderId", "OrderNotFound", "OrderNotCached", "ChecksumError"})
DUPLICATE: Final = "duplicate"
"""In the text of an order whose id works already: the class says only that it is not valid."""

LIMITS: Final = frozenset({"DDoSProtection", "RateLimitExceeded"})
TEXT_MAX: Final = 300


def refusal_of(error: BaseException) -> ErrorClass | None:
    """Why an order was refused; None where the error does not say that it was."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if IN_DOUBT & set(names) or DUPLICATE in str(error).lower():
        return None
    return next((REFUSALS[name] for name in names if name in REFUSALS), None)


def is_limit(error: BaseException) -> bool:
    """The venue wants to be left alone for a while."""
    return bool(LIMITS & {kind.__name__ for kind in type(error).__mro__})


def is_not_found(error: BaseException) -> bool:
    """The venue says that there is no such order."""
    return any(kind.__name__ == "OrderNotFound" for kind in type(error).__mro__)


def is_of_ccxt(error: BaseException) -> bool:
    """An error that the library raises on purpose."""
    return any(kind.__name__ == "BaseError" for kind in type(error).__mro__)


def text_of(error: BaseException) -> str:
    """The venue's words, bounded."""
    return f"{type(error).__name__}: {error}"[:TEXT_MAX]


def trouble_of(place: str, error: BaseException) -> VenueTrouble:
    """The same as trouble with a question."""
    return VenueTrouble(f"{place}: {text_of(error)}")
