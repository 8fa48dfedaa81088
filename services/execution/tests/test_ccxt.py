"""The adapter of ccxt against an exchange that behaves as its traps do: the library itself need not be there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
from services.execution.tests.ccxt_words import (
    MARKET,
    ORDER,
    TRADE,
    DDoSProtection,
    ExchangeError,
    InsufficientFunds,
    InvalidOrder,
    NetworkError,
    OrderNotFound,
    RequestTimeout,
    btc,
)
from services.execution.tests.stand_in import BTC, Ear
from services.execution.tests.world import until

from pitwire.common.clock import SystemClock
from pitwire.common.config import VenueConfig
from pitwire.common.enums import OrderStatus, OrderType, Side, TimeInForce
from pitwire.common.errors import ConfigError, RateLimited, VenueTrouble
from pitwire.common.instruments import InstrumentRegistry
from pitwire.execution.adapters.ccxt import venue as adapter
from pitwire.execution.adapters.ccxt import words
from pitwire.execution.adapters.ccxt.exchange import make_exchange
from pitwire.execution.adapters.ccxt.venue import CcxtVenue, requests_limit
from pitwire.execution.adapters.keys import ApiKey, Secret
from pitwire.execution.core.rate_limits import Lane
from pitwire.execution.core.venue import (
    Canceled,
    CancelFailed,
    InDoubt,
    NewOrder,
    NothingToCancel,
    Placed,
    Refused,
    SubmitAnswer,
)
from pitwire.execution.ports import Unsupported

KEY = ApiKey("key", Secret("secret"))
# -- the exchange ----------------------------------------------------------------------------------------------------


class Connection:
    def __init__(self) -> None:
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Exchange:
    """What of ccxt's surface is used; `answers` and `stream` are the test's."""

    def __init__(self) -> None:
        self.rateLimit = 50
        self.precisionMode = words.TICK_SIZE
        times = {"IOC": True, "FOK": False, "PO": True}
        self.features = {"spot": {"createOrder": {"timeInForce": times}}}
        self.markets = {"BTC/USDT": MARKET}
        self.clients: dict[str, Connection] = {}
        self.last_response_headers: dict[str, str] = {}
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.answers: dict[str, Callable[..., Any]] = {}
        self.stream: asyncio.Queue[Any] = asyncio.Queue()
        self.watched_at: list[float] = []
        self.is_closed = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*arguments: Any) -> Any:
            self.asked.append((name, arguments))
            return self.answers[name](*arguments)

        return call

    async def load_markets(self, _: bool) -> None: ...

    def set_markets(self, _: Any) -> None: ...

    async def watch_orders(self) -> Any:
        self.watched_at.append(asyncio.get_running_loop().time())
        self.clients.setdefault("ws", Connection())
        if not self.clients["ws"].connected.done():
            self.clients["ws"].connected.set_result(None)
        said = await self.stream.get()
        if isinstance(said, Exception):
            raise said
        return said

    async def watch_my_trades(self) -> Any:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.is_closed = True


class Rig:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.made: list[Exchange] = []

        def make(*_: Any) -> Exchange:
            self.made.append(Exchange())
            return self.made[-1]

        monkeypatch.setattr(adapter, "make_exchange", make)
        values: dict[str, Any] = {"kind": "ccxt", "exchange": "kraken", "instruments": ("BTC-USDT",)} | settings
        self.instruments = InstrumentRegistry()
        self.ear = Ear()
        self.venue = CcxtVenue(
            "sim", VenueConfig.model_validate(values), KEY, self.instruments, SystemClock(), lambda: 0.0
        )
        self.instruments.put(btc())
        self.task = asyncio.create_task(self.venue.run(self.ear))

    @property
    def exchange(self) -> Exchange:
        return self.made[-1]

    async def place(self, *, expires_in_ns: int = 10**9, **changed: Any) -> SubmitAnswer:
        now_ns = SystemClock().wall_ns()
        prepared = self.venue.prepare(order(**changed), now_ns=now_ns, expires_ns=now_ns + expires_in_ns)
        async with asyncio.timeout(5):
            return await (await self.venue.send(prepared))

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.venue.close()


def order(**changed: Any) -> NewOrder:
    values: dict[str, Any] = {
        "client_order_id": "ABC", "instrument_id": BTC, "venue_symbol": "XBTUSDT", "side": Side.BUY,
        "order_type": OrderType.MARKET, "time_in_force": TimeInForce.GTC, "quantity": Decimal("0.01"),
    }  # fmt: skip
    return NewOrder(**(values | changed))


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    made = Rig(monkeypatch)
    await until(lambda: made.venue.trouble == "")
    yield made
    await made.close()


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


async def test_an_order_goes_out_as_texts_and_a_market_order_without_a_price(rig: Rig) -> None:
    """Trap 7: with a price it would become an amount of quote currency; trap 8: floats."""
    rig.exchange.answers["create_order"] = lambda *_: ORDER
    rig.exchange.answers["fetch_order"] = lambda *_: ORDER
    assert isinstance(await rig.place(), Placed)
    sent = next(arguments for name, arguments in rig.exchange.asked if name == "create_order")
    assert sent == ("BTC/USDT", "market", "buy", "0.01", None, {"clientOrderId": "ABC"})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InsufficientFunds("no"), Refused),
        (RequestTimeout("?"), InDoubt),
        (ExchangeError("?"), InDoubt),
        (KeyError("defect"), InDoubt),
        (InvalidOrder("Duplicate order sent."), InDoubt),
    ],
    ids=str,
)
async def test_an_order_is_asked_for_once_whatever_comes_of_it(rig: Rig, error: Exception, expected: type) -> None:
    rig.exchange.answers["create_order"] = raising(error)
    assert isinstance(await rig.place(), expected)
    assert [name for name, _ in rig.exchange.asked].count("create_order") == 1


async def test_an_answer_that_cannot_be_read_leaves_the_order_in_doubt(rig: Rig) -> None:
    rig.exchange.answers["create_order"] = lambda *_: {"id": "O1"}
    assert isinstance(await rig.place(), InDoubt)
    assert rig.ear.malformed


async def test_nothing_is_sent_after_the_approval_has_expired(rig: Rig) -> None:
    answer = await rig.place(expires_in_ns=0)
    assert isinstance(answer, Refused)
    assert "create_order" not in [name for name, _ in rig.exchange.asked]


async def test_what_the_exchange_does_not_offer_is_refused_before_anything_is_sent(rig: Rig) -> None:
    with pytest.raises(Unsupported):
        await rig.place(time_in_force=TimeInForce.FOK)
    with pytest.raises(Unsupported):
        await rig.place(order_type=OrderType.STOP_LOSS)
    assert rig.exchange.asked == []


async def test_a_stream_only_says_what_to_ask_for(rig: Rig) -> None:
    """Trap 2: it merges states and drops fees; what an order traded is the answer to a question."""
    rig.exchange.answers["fetch_order"] = lambda *_: ORDER | {"filled": "0.5"}
    rig.exchange.answers["fetch_order_trades"] = lambda *_: [TRADE]
    rig.exchange.stream.put_nowait([{"symbol": "BTC/USDT", "id": "O1", "status": "closed", "filled": "99"}])
    await until(lambda: len(rig.ear.facts) == 1)
    facts = rig.ear.facts[0]
    assert (facts.order.cum_quantity, facts.order.status) == (Decimal("0.5"), OrderStatus.PARTIALLY_FILLED)
    assert [trade.trade_id for trade in facts.trades] == ["7"]


async def test_a_hint_that_cannot_be_read_is_a_gap(rig: Rig) -> None:
    rig.exchange.stream.put_nowait([{"symbol": "DOGE/USDT", "id": "O1"}])
    await until(lambda: len(rig.ear.gaps) == 2)
    assert rig.ear.malformed


async def test_after_an_error_a_stream_is_never_asked_for_again_at_once(rig: Rig) -> None:
    """Trap 1: it would hang for ever, without an exception."""
    rig.exchange.stream.put_nowait(NetworkError("closed by remote server, closing code 1000"))
    await until(lambda: len(rig.exchange.watched_at) == 2)
    first, second = rig.exchange.watched_at
    assert second - first >= adapter.PAUSE_BEFORE_REWATCH_S
    await until(lambda: len(rig.ear.gaps) == 2 and rig.venue.trouble == "")


async def test_a_session_that_grows_old_is_changed_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch, connection_life_s=1)
    await until(lambda: len(rig.made) == 2 and rig.venue.trouble == "")
    assert rig.made[0].is_closed
    assert len(rig.ear.gaps) == 2
    await rig.close()


async def test_a_limit_stops_everything_for_as_long_as_the_exchange_says(rig: Rig) -> None:
    """Trap 5: the library itself goes on at once."""
    rig.exchange.last_response_headers = {"Retry-After": "30"}
    rig.exchange.answers["fetch_open_orders"] = raising(DDoSProtection("429"))
    with pytest.raises(VenueTrouble):
        await rig.venue.reads.open_orders()
    assert rig.venue.trouble.startswith("rate limited")
    asked = len(rig.exchange.asked)
    with pytest.raises(RateLimited):
        await rig.venue.reads.open_orders()
    assert isinstance(await rig.place(), Refused)
    assert len(rig.exchange.asked) == asked


async def test_cancels_are_confirmed_by_a_question(rig: Rig) -> None:
    rig.exchange.answers["cancel_order"] = lambda *_: {"id": "O1"}
    rig.exchange.answers["fetch_order"] = lambda *_: ORDER | {"status": "canceled"}
    assert isinstance(await rig.venue.cancel_order(BTC, "ABC"), Canceled)
    rig.exchange.answers["fetch_order"] = lambda *_: ORDER
    assert isinstance(await rig.venue.cancel_order(BTC, "ABC"), CancelFailed)
    rig.exchange.answers["cancel_order"] = raising(OrderNotFound("unknown"))
    assert isinstance(await rig.venue.cancel_order(BTC, "ABC"), NothingToCancel)
    rig.exchange.answers["cancel_order"] = raising(RequestTimeout("?"))
    assert isinstance(await rig.venue.cancel_order(BTC, "ABC"), CancelFailed)


async def test_trades_that_may_be_missing_are_trouble_and_no_silence(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange that cannot be asked from an id on tells its newest, which may not reach back far enough."""
    monkeypatch.setattr("pitwire.execution.adapters.ccxt.reads.ROWS_MAX", 2)
    rig.exchange.answers["fetch_my_trades"] = lambda *_: [TRADE | {"id": "8"}, TRADE | {"id": "9"}]
    with pytest.raises(VenueTrouble, match="has more since 7"):
        await rig.venue.reads.trades_since(BTC, 7)
    assert [each.trade_id for each in await rig.venue.reads.trades_since(BTC, 8)] == ["9"]


def test_the_limit_is_what_the_library_says_and_cancels_have_their_room() -> None:
    limits = requests_limit(Exchange(), 100)
    for _ in range(140):
        assert not limits.wait_ns(Lane.SUBMIT, 1, 5 * 10**9)
        limits.take(1, 5 * 10**9)
    assert limits.wait_ns(Lane.SUBMIT, 1, 5 * 10**9)
    assert not limits.wait_ns(Lane.CANCEL, 1, 5 * 10**9)


def test_without_the_extra_the_start_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt.pro", None)
    config = VenueConfig.model_validate({"kind": "ccxt", "exchange": "kraken", "instruments": ["BTC-USDT"]})
    with pytest.raises(ConfigError, match=r"venues\.k\.exchange: ccxt is an extra: run `make ccxt`"):
        make_exchange("k", config, KEY)
