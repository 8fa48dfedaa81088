"""The venue's own word, over its REST interface with the account's key: orders, trades, balances. Reads only."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp

from pitwire.cli.verify.evidence import VenueAccount, VenueOrder, VenueTrade
from pitwire.common.clock import Clock
from pitwire.common.config import VenueAccountConfig, VenueConfig
from pitwire.common.errors import ConfigError, TransientError
from pitwire.common.ids import instrument_id
from pitwire.common.units import NS_PER_MS

PAGE_MAX: Final = 1_000
PAGES_MAX: Final = 1_000
TIMEOUT: Final = aiohttp.ClientTimeout(total=10.0)
RECV_WINDOW_MS: Final = 5_000
WORKING: Final = frozenset({"NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_NEW"})


class VenueUnavailable(TransientError):
    """The venue did not answer, or answered something else than was asked."""

    code = "VENUE_UNAVAILABLE"


class VenueReader:
    """Reads one venue account. Use inside `aiohttp.ClientSession`."""

    def __init__(
        self, session: aiohttp.ClientSession, venue: VenueConfig, key: tuple[str, str], clock: Clock, *, name: str
    ) -> None:
        self._session = session
        self._venue = venue
        self._key, self._secret = key
        self._clock = clock
        self._name = name

    async def read(self, venue_account: str, account: str, *, journal_before: int) -> VenueAccount:
        """Everything the venue lists for the configured instruments.

        Balances are read between two readings of the trades that agree, so that they belong to each other.
        """
        names = await self._symbols()
        orders = [order for symbol, name in names.items() for order in await self._orders(symbol, name)]
        trades = [trade for symbol, name in names.items() for trade in await self._trades(symbol, name)]
        for _ in range(PAGES_MAX):
            balances = await self._balances()
            again = [trade for symbol, name in names.items() for trade in await self._trades(symbol, name)]
            if again == trades:
                break
            trades = again
        else:
            raise VenueUnavailable(f"{self._name} trades faster than its books can be read")
        return VenueAccount(self._name, venue_account, account, tuple(orders), tuple(trades), balances, journal_before)

    async def _symbols(self) -> dict[str, str]:
        """The venue's spelling of each configured instrument, from its own list, and our instrument_id."""
        listed = await self._get("/api/v3/exchangeInfo", {}, signed=False)
        found: dict[str, str] = {}
        for item in listed["symbols"]:
            symbol = f"{item['baseAsset']}-{item['quoteAsset']}"
            if symbol in self._venue.instruments:
                found[item["symbol"]] = instrument_id(symbol, self._name)
        return found

    async def _orders(self, symbol: str, name: str) -> list[VenueOrder]:
        pages = await self._pages("/api/v3/allOrders", symbol, "orderId", "orderId")
        return [_order(item, name) for item in pages]

    async def _trades(self, symbol: str, name: str) -> list[VenueTrade]:
        return [_trade(item, name) for item in await self._pages("/api/v3/myTrades", symbol, "fromId", "id")]

    async def _pages(self, path: str, symbol: str, start: str, number: str) -> list[Any]:
        found: list[Any] = []
        next_id = 0
        for _ in range(PAGES_MAX):
            page = await self._get(path, {"symbol": symbol, start: str(next_id), "limit": str(PAGE_MAX)})
            found += page
            if len(page) < PAGE_MAX:
                return found
            next_id = max(int(item[number]) for item in page) + 1
        raise VenueUnavailable(f"{self._name} lists more than {PAGES_MAX * PAGE_MAX} rows of {path} for {symbol}")

    async def _balances(self) -> dict[str, Decimal]:
        account = await self._get("/api/v3/account", {})
        return {item["asset"]: Decimal(item["free"]) + Decimal(item["locked"]) for item in account["balances"]}

    async def _get(self, path: str, query: Mapping[str, str], *, signed: bool = True) -> Any:
        text = urlencode(query)
        headers: dict[str, str] = {}
        if signed:
            moment = self._clock.wall_ns() // NS_PER_MS
            text = urlencode({**query, "recvWindow": str(RECV_WINDOW_MS), "timestamp": str(moment)})
            text += "&signature=" + hmac.new(self._secret.encode(), text.encode(), hashlib.sha256).hexdigest()
            headers["X-MBX-APIKEY"] = self._key
        url = f"{self._venue.rest}{path}" + (f"?{text}" if text else "")
        try:
            async with self._session.get(url, headers=headers, timeout=TIMEOUT) as answer:
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, json.JSONDecodeError) as error:
            raise VenueUnavailable(f"{self._name} {path}: {type(error).__name__}") from None
        if answer.status != 200:
            raise VenueUnavailable(f"{self._name} {path}: {answer.status} {str(body)[:200]}")
        return body


async def read_venue_account(
    name: str, config: VenueAccountConfig, venue: VenueConfig, clock: Clock, *, journal_before: int
) -> VenueAccount:
    """Reads one configured venue account; `VenueUnavailable` names what did not work, never the key."""
    async with aiohttp.ClientSession() as session:
        reader = VenueReader(session, venue, read_key(config.key_file), clock, name=config.venue)
        try:
            return await reader.read(name, config.account, journal_before=journal_before)
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise VenueUnavailable(f"{config.venue}: unexpected answer: {type(error).__name__} {error}") from None


def read_key(path: Path) -> tuple[str, str]:
    """Key and secret of a key file; `ConfigError` where it cannot be used."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return str(found["api_key"]), str(found["api_secret"])
    except OSError as error:
        raise ConfigError(where=str(path), what=f"cannot be read: {error.strerror}") from None
    except (json.JSONDecodeError, KeyError, TypeError):
        raise ConfigError(where=str(path), what="must be JSON with api_key and api_secret") from None


def _order(item: Mapping[str, Any], name: str) -> VenueOrder:
    return VenueOrder(
        client_order_id=str(item["clientOrderId"]),
        venue_order_id=str(item["orderId"]),
        instrument_id=name,
        side=item["side"],
        order_type=item["type"],
        time_in_force=item["timeInForce"],
        quantity=Decimal(item["origQty"]),
        cum_quantity=Decimal(item["executedQty"]),
        limit_price=Decimal(item["price"]),
        stop_price=Decimal(item.get("stopPrice", "0")),
        status=item["status"],
        is_working=item["status"] in WORKING,
    )


def _trade(item: Mapping[str, Any], name: str) -> VenueTrade:
    return VenueTrade(
        instrument_id=name,
        trade_id=str(item["id"]),
        venue_order_id=str(item["orderId"]),
        side="BUY" if item["isBuyer"] else "SELL",
        quantity=Decimal(item["qty"]),
        price=Decimal(item["price"]),
        fee=Decimal(item["commission"]),
        fee_currency=item["commissionAsset"],
    )
