"""The hands that feed an account on the bus in memory: market, strategy and operator, for tests of services."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from pitwire.common import codec, subjects
from pitwire.common.bus.memory import MemoryServer
from pitwire.common.clock import NS_PER_S, ManualClock
from pitwire.common.config import PitwireConfig
from pitwire.common.enums import CommandVerb, OrderType, Side, TimeInForce
from pitwire.common.errors import InvariantBroken
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Command, CommandResult, Heartbeat
from pitwire.common.schemas.ledger import Approved, Denied, RiskDecision
from pitwire.common.schemas.market import Instrument, Quote
from pitwire.common.schemas.orders import OrderIntent
from pitwire.common.testing.market import feed_status
from pitwire.common.testing.shell import FakeShell

BTC: Final = "BTC-USDT.sim"
POISON: Final = b"{"
"""A record that nobody can read."""

MARKET_START_NS: Final = 1_722_000_000 * NS_PER_S
CONFIG: Final = PitwireConfig.model_validate(
    {
        "venues": {
            "sim": {
                "rest": "http://127.0.0.1:1",
                "ws": "ws://127.0.0.1:1",
                "ws_api": "ws://127.0.0.1:1/ws-api/v3",
                "instruments": ["BTC-USDT"],
            }
        },
        "venue_accounts": {"sim-main": {"venue": "sim", "account": "main", "key_file": "k.json"}},
        "accounts": {
            "main": {
                "quote": "USDT",
                "capital": {"USDT": "100000"},
                "limits": {
                    "order_value_max": "10000",
                    "position_value_max": "20000",
                    "open_positions_max": 5,
                    "daily_loss_max_percent": "5",
                    "drawdown_max_percent": "15",
                    "instruments_allowed": [BTC],
                    "price_collar_percent": "100",
                    "orders_per_minute_max": 1_000_000,
                },
            }
        },
        "strategies": {
            "momentum": {"type": "momentum", "account": "main", "capital": "50000", "instruments": [BTC]},
        },
    }
)


class BusHands:
    """Everybody around the services of one account: a bus, one instrument, a moving price, intents and commands."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.server = MemoryServer(self.clock)
        self.hands = FakeShell(self.server, self.clock)

    async def send(self, subject: str, message: Message) -> int:
        sequence = await self.hands.bus.append(subject, codec.encode(message), codec.headers_for(message))
        await self.hands.settle()
        return sequence

    async def define(self) -> None:
        instrument = Instrument.model_validate(
            {
                "instrument_id": BTC,
                "symbol": "BTC-USDT",
                "venue": "sim",
                "venue_symbol": "BTCUSDT",
                "base": "BTC",
                "quote": "USDT",
                "tick_size": "0.01",
                "lot_size": "0.00001",
                "min_notional": "5",
            }
        )
        await self.send(subjects.instrument(BTC), instrument)

    async def feed(self, **changed: Any) -> None:
        """What market-data says of the venue: without `changed`, that all is well."""
        status = feed_status(**changed)
        await self.hands.bus.publish(subjects.venue_status("sim"), codec.encode(status), codec.headers_for(status))
        await self.hands.settle()

    async def price(self, bid: str, *, seconds: int = 0) -> None:
        """A quote, from a feed that says it is well."""
        await self.feed()
        quote = Quote.model_validate(
            {
                "instrument_id": BTC,
                "epoch": "e",
                "sequence": seconds + 1,
                "ts_event_ns": MARKET_START_NS + seconds * NS_PER_S,
                "ts_recv_ns": self.clock.wall_ns(),
                "bid_price": bid,
                "bid_quantity": "1",
                "ask_price": bid,
                "ask_quantity": "1",
            }
        )
        await self.hands.bus.publish(subjects.quote(BTC), codec.encode(quote), codec.headers_for(quote))
        await self.hands.settle()

    async def beat(self, service: str, *, config_hash: str) -> None:
        """What a process of `service` says of itself."""
        ts_ns = self.clock.wall_ns()
        beat = Heartbeat(service=service, slot="0", instance=service, ts_ns=ts_ns, config_hash=config_hash)
        await self.hands.bus.publish(subjects.heartbeat(service, "0"), codec.encode(beat), codec.headers_for(beat))
        await self.hands.settle()

    def intent(self, number: int, *, quantity: str = "0.01", ttl_s: int = 2) -> OrderIntent:
        return OrderIntent(
            account="main",
            strategy="momentum",
            intent_no=number,
            valid_until_ns=self.clock.wall_ns() + ttl_s * NS_PER_S,
            ts_ns=self.clock.wall_ns(),
            instrument_id=BTC,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.IOC,
            quantity=Decimal(quantity),
            limit_price=Decimal(60000),
        )

    async def ask(self, number: int, *, quantity: str = "0.01", ttl_s: int = 2) -> None:
        await self.send(subjects.intent("main", "momentum"), self.intent(number, quantity=quantity, ttl_s=ttl_s))

    async def command(self, verb: CommandVerb, command_id: str = "c1", **args: str) -> CommandResult:
        command = Command(
            command_id=command_id,
            operator="operator",
            service="risk-gate",
            verb=verb,
            args=args,
            reason="test",
            expires_ns=self.clock.wall_ns() + NS_PER_S,
            ts_ns=self.clock.wall_ns(),
        )
        await self.send(subjects.command("operator", "risk-gate", verb), command)
        record = await self.hands.bus.last("CTL", subjects.command_result("operator", command_id))
        if record is None:
            msg = f"command {command_id} was not answered"
            raise InvariantBroken(msg)
        return codec.decode(CommandResult, record.data, subject=record.subject)

    def ledger(self) -> list[Message]:
        records = [
            r for r in self.server.log_of("OMS").records if r.subject == subjects.ledger("main") and r.data != POISON
        ]
        return [codec.decode_known(r.subject, r.schema, r.data) for r in records]

    def verdicts(self) -> list[Approved | Denied]:
        decisions = [event for event in self.ledger() if isinstance(event, RiskDecision)]
        return [v for event in decisions for v in event.verdicts if isinstance(v, Approved | Denied)]
