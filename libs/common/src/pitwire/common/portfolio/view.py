"""What can be asked of an account: balances, positions, orders, exposure, where its fold stands. Read only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pitwire.common.accounting import Book, Statement
from pitwire.common.enums import ExecType, Side
from pitwire.common.halts import Halts
from pitwire.common.instruments import assets_of
from pitwire.common.money import exact
from pitwire.common.order_state import OrderState
from pitwire.common.portfolio.chain import Chain
from pitwire.common.portfolio.exposure import Exposure
from pitwire.common.portfolio.holdings import NO_MARKS, Holdings, Marks
from pitwire.common.portfolio.orders import Orders
from pitwire.common.positions import Position
from pitwire.common.schemas.execution import AlgoStep, ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import Cursors, Halt, LeaderChanged, Resume
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.units import NS_PER_S

NS_PER_MINUTE: Final = 60 * NS_PER_S
CoveredEvent = Submitting | NotSent | ExecReport | AlgoStep | LeaderChanged | Halt | Resume
"""What waits for a ledger record that covers it."""


@dataclass(slots=True)
class StrategyState:
    """What the ledger says of one strategy; `malformed` counts unreadable intents in a row.

    `orders_in_minute` are its orders approved in `minute` of the market clock, counted from 1970.
    """

    capital: Decimal | None = None
    paused: bool = False
    pause_reason: str = ""
    last_intent_no: int = 0
    malformed: int = 0
    minute: int = 0
    orders_in_minute: int = 0

    def count_order(self, ts_market_ns: int) -> None:
        """One more approved order."""
        self.orders_in_minute = self.orders_at(ts_market_ns) + 1
        self.minute = ts_market_ns // NS_PER_MINUTE

    def orders_at(self, ts_market_ns: int) -> int:
        """Orders approved so far in the minute of this market time."""
        return self.orders_in_minute if self.minute == ts_market_ns // NS_PER_MINUTE else 0

    @property
    def is_registered(self) -> bool:
        return self.capital is not None


class AccountView:
    """The state of one account as its readers see it; `AccountState` moves it on."""

    __slots__ = (
        "_chain",
        "_event_no",
        "_holdings",
        "_news_applied",
        "_orders",
        "_pending",
        "_strategies",
        "account",
        "configured_limits",
        "day",
        "former_incarnations",
        "halts",
        "incarnation",
        "limits",
        "lost_sequence",
        "marks_ts_market_ns",
        "peak_equity",
        "read_to",
        "start_of_day_equity",
    )

    def __init__(self, account: str, quote: str) -> None:
        self.account = account
        self.incarnation = ""
        self.former_incarnations: tuple[str, ...] = ()
        self.lost_sequence = 0
        self.read_to = 0
        self.limits: AccountLimits | None = None
        self.configured_limits: AccountLimits | None = None
        self.day = ""
        self.start_of_day_equity: Decimal | None = None
        self.peak_equity: Decimal | None = None
        self.marks_ts_market_ns = 0
        self.halts = Halts()
        self._chain = Chain(account)
        self._holdings = Holdings(quote)
        self._orders = Orders()
        self._strategies: dict[str, StrategyState] = {}
        self._pending: deque[tuple[int, CoveredEvent]] = deque()
        self._event_no = 0
        self._news_applied = False

    # ------------------------------------------------------------------------------------------------- where it stands
    @property
    def ledger_no(self) -> int:
        return self._chain.ledger_no

    @property
    def ledger_sequence(self) -> int:
        """`OMS` sequence of the last ledger record applied: what the next compare-and-set expects."""
        return self._chain.ledger_sequence

    @property
    def epoch(self) -> int:
        return self._chain.epoch

    @property
    def prev_hash(self) -> str:
        """Hash of the last ledger record: `prev_hash` of the next one."""
        return self._chain.prev_hash

    @property
    def cursors(self) -> Cursors:
        """What the last ledger record covered."""
        return self._chain.cursors

    @property
    def chain(self) -> Chain:
        return self._chain

    @property
    def observed_sequence(self) -> int:
        """`OMS` sequence of the newest execution event, halt or resume taken: the cursor of the next ledger record."""
        return self._pending[-1][0] if self._pending else self._chain.advanced_to

    @property
    def resume_from(self) -> int:
        """The first `OMS` sequence that a reader must deliver to go on from this state."""
        return max(self._chain.cursors.oms_sequence, self.read_to) + 1

    @property
    def settled_to(self) -> int:
        """Of what was taken, nothing up to here waits for a ledger record."""
        return min(self._pending[0][0] - 1, self.ledger_sequence) if self._pending else self.ledger_sequence

    @property
    def pending_count(self) -> int:
        return len(self._pending)

    @property
    def is_advanced(self) -> bool:
        """Whether everything taken is applied, so that a decision may be made."""
        return not self._pending

    @property
    def has_news(self) -> bool:
        """Whether something that changes money, exposure or what may be traded is not covered by the ledger yet."""
        return self._news_applied or any(is_news(event) for _, event in self._pending)

    # ------------------------------------------------------------------------------------------------------ what it has
    @property
    def quote(self) -> str:
        return self._holdings.quote

    @property
    def wealth(self) -> Holdings:
        return self._holdings

    def holdings(self) -> Iterator[tuple[str, str, Decimal]]:
        """Every sub-ledger that is not flat: strategy, instrument_id, signed quantity."""
        for strategy, ledger in self._holdings.by_strategy.items():
            for instrument_id, position in ledger.items():
                if position.quantity:
                    yield strategy, instrument_id, position.quantity

    def exposed_instruments(self, marks: Marks = NO_MARKS) -> tuple[str, ...]:
        """Instruments whose mark moves equity or a limit: held, worked, or the price of another asset that is held.

        `marks` may name the first price of such an asset.
        """
        found = dict.fromkeys(name for name, position in self._holdings.net.items() if position.quantity)
        found |= dict.fromkeys(self._orders.exposure.instruments)
        quotes = (assets_of(name)[1] for name in tuple(found))
        sources = (self._holdings.price_source(asset, marks) for asset in (*self._holdings.loose_assets, *quotes))
        found |= dict.fromkeys(source for source in sources if source)
        return tuple(found)

    def capital_recorded(self, asset: str) -> bool:
        """Whether the ledger ever recorded capital in this asset."""
        return self._holdings.books.knows(Book.CAPITAL, asset)

    @property
    def exposure(self) -> Exposure:
        return self._orders.exposure

    @property
    def cash(self) -> Decimal:
        return self._holdings.cash

    def equity(self, marks: Marks = NO_MARKS) -> Decimal:
        """Cash + positions and other assets at `marks`, or at those recorded last; in quote currency."""
        return self._holdings.equity(marks)

    def statement(self, marks: Marks = NO_MARKS) -> Statement:
        return self._holdings.statement(marks)

    def balance(self, venue_account: str, asset: str) -> Decimal:
        return self._holdings.books.holding(venue_account, asset)

    @exact
    def available(self, venue_account: str, asset: str) -> Decimal:
        """The balance that no open order can take."""
        return self.balance(venue_account, asset) - self.exposure.reserved(venue_account, asset)

    def position(self, strategy: str, instrument_id: str) -> Position:
        """The sub-ledger of one strategy."""
        return self._holdings.position(strategy, instrument_id)

    def net_position(self, instrument_id: str) -> Position:
        """The account's own position: the sum of all sub-ledgers."""
        return self._holdings.net_position(instrument_id)

    @exact
    def working_quantity(self, strategy: str, instrument_id: str, side: Side | None = None) -> Decimal:
        """Open quantity of a strategy's orders on one side; without a side, buys less sells."""
        exposure = self._orders.exposure
        if side is not None:
            return exposure.of_strategy(strategy, instrument_id, side).quantity
        buys = exposure.of_strategy(strategy, instrument_id, Side.BUY)
        return buys.quantity - exposure.of_strategy(strategy, instrument_id, Side.SELL).quantity

    def order(self, client_order_id: str) -> OrderState | None:
        """Active and recently ended orders are known."""
        return self._orders.get(client_order_id)

    @property
    def orders(self) -> tuple[OrderState, ...]:
        return self._orders.all()

    def working_orders(self) -> tuple[OrderState, ...]:
        """Every order that may still fill: in flight, working or in doubt."""
        return tuple(order for order in self._orders.all() if order.is_active)

    @property
    def has_decided(self) -> bool:
        """Whether the ledger holds a verdict on any intent."""
        return any(strategy.last_intent_no for strategy in self._strategies.values())

    def strategy(self, name: str) -> StrategyState:
        """Its state by the ledger; that of an unregistered strategy where the ledger never named it."""
        return self._strategies.get(name) or StrategyState()

    def last_intent_no(self, strategy: str) -> int:
        """The highest intent number the ledger has an answer for; 0 before the first."""
        found = self._strategies.get(strategy)
        return found.last_intent_no if found else 0

    def strategy_capital(self, strategy: str) -> Decimal | None:
        """What it was registered with; None for one that is not registered."""
        found = self._strategies.get(strategy)
        return found.capital if found else None

    @property
    def strategies(self) -> tuple[str, ...]:
        return tuple(self._strategies)


def is_news(event: CoveredEvent) -> bool:
    """Acknowledgements and what only concerns execution can wait for the next ledger record."""
    if isinstance(event, ExecReport):
        return event.exec_type is not ExecType.NEW
    return not isinstance(event, Submitting | AlgoStep | LeaderChanged)
