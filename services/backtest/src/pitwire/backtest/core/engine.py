"""The event loop of a backtest: candles in, orders matched, limits held, strategies asked, decisions made."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from pitwire.backtest.core.account import Account
from pitwire.backtest.core.candles import Bar, Candles
from pitwire.backtest.core.fills import Fees, FillModel, affordable
from pitwire.backtest.core.lanes import Lane, LastPrices, moments
from pitwire.backtest.core.matching import End, Ended, Execution, Matcher, WorkingOrder
from pitwire.backtest.core.risk_watch import RiskWatch
from pitwire.backtest.core.trades import Trade
from pitwire.common.enums import ExecType, Liquidity
from pitwire.common.errors import UsageError
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.money import ZERO, difference, product
from pitwire.common.portfolio import Changes
from pitwire.common.schemas.ledger import DECISIONS_MAX, Approved, CancelApproved, Mark
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.schemas.orders import CancelIntent, OrderIntent
from pitwire.strategy.core.making import Spec
from pitwire.strategy.core.outputs import Cause, Outputs
from pitwire.strategy.core.runner import Runner

TTL_NS: Final = 2_000_000_000
PROGRESS_EVERY: Final = 20_000
"""Moments between two reports of progress."""

ROUNDS_MAX: Final = 100
"""Answers to answers within one moment: a strategy that answers every fill with an order would go on for ever."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One intent and what the gate said: the decisions that a look into the future would change."""

    ts_ns: int
    strategy: str
    intent: OrderIntent | CancelIntent
    verdict: str


@dataclass(slots=True)
class Run:
    """What a run left behind. `equity` has one value per entry of `open_ns`: at the close of the candles of then."""

    open_ns: array[int]
    equity: array[float]
    trades: list[Trade] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    denials: Counter[str] = field(default_factory=Counter)
    alarms: list[str] = field(default_factory=list)
    bars: int = 0
    intents: int = 0
    exposed: int = 0
    limit_breaches: int = 0


class Engine:
    """One account, its strategies and their candles. `run` may be called once."""

    def __init__(
        self,
        candles: Sequence[Candles],
        strategies: Sequence[tuple[Spec, object]],
        *,
        capital: Decimal,
        limits: AccountLimits,
        model: FillModel,
    ) -> None:
        check_candles(candles)
        self._model = model
        self._fees = Fees(model)
        self._lanes = [Lane(each, Matcher(model, each.instrument)) for each in candles]
        self._by_name = {lane.name: lane for lane in self._lanes}
        self._step_ns = candles[0].step_ns
        registry = InstrumentRegistry(tuple(each.instrument for each in candles))
        self._account = Account(
            quote=candles[0].instrument.quote,
            capital=capital,
            limits=limits,
            strategies={spec.name: spec.capital for spec, _ in strategies},
            instruments=registry,
        )
        self.state: Final = self._account.state
        self._runners = [Runner(spec, each, self.state, registry, explains=False) for spec, each in strategies]
        prices = LastPrices(self._by_name)
        for runner in self._runners:
            runner.portfolio.prices = prices
            for name in runner.spec.instruments:
                self._by_name[name].listeners.append(runner.on_bar)
        self._by_strategy = {runner.spec.name: runner for runner in self._runners}
        self._tells = any(runner.wants("on_fill") or runner.wants("on_order") for runner in self._runners)
        self._watch = RiskWatch(self._account, self._by_name)
        self._run = Run(array("q"), array("d"))
        self._now_ns = 0
        self._rounds = 0

    def run(self, progress: Callable[[float], None] | None = None) -> Run:
        """Every candle once, in the order of time; `progress` is told the share done."""
        done, watch = self._run, self._watch
        total = max(len(lane.candles) for lane in self._lanes)
        append, step_ns, cause_of = done.equity.append, self._step_ns, self._cause
        for count, (open_ns, moment) in enumerate(moments(self._lanes)):
            for lane, bar in moment:
                if lane.orders:
                    self._match(lane, bar)
            for lane, bar in moment:
                lane.bar = bar
            if open_ns >= watch.next_day_open_ns:
                watch.roll_day(open_ns + step_ns, step_ns)
            if watch.held:
                append(watch.equity(open_ns + step_ns))
            else:
                append(watch.cash)
            if watch.breached:
                self._withdraw(open_ns + step_ns)
            for lane, bar in moment:
                for on_bar in lane.listeners:
                    outputs = on_bar(bar, cause_of)
                    if outputs is not None:
                        self._rounds = 0
                        self._follow(outputs, open_ns + step_ns)
            if not count % PROGRESS_EVERY and progress is not None:
                progress(count / total)
        self._finish()
        return done

    def _finish(self) -> None:
        done = self._run
        self._watch.flush()
        done.open_ns = times_of([lane.candles for lane in self._lanes])
        done.intents = len(done.wanted)
        done.bars = sum(len(lane.candles) for lane in self._lanes)
        done.exposed = self._watch.exposed
        done.limit_breaches = self._watch.breaches

    def mark_of(self, instrument_id: str) -> Mark | None:
        """What the instrument is valued at now."""
        return self._by_name[instrument_id].mark

    # -- from intents to orders ----------------------------------------------------------------------------------

    def _cause(self, bar: Bar) -> Cause:
        close_ns = bar.close_time_ns
        return Cause(close_ns, close_ns, subject=bar.instrument_id, epoch=bar.epoch, sequence=bar.sequence)

    def _follow(self, outputs: Outputs, now_ns: int) -> None:
        """Has the gate decide what a strategy wants, and gives its answers to the strategy and the venue."""
        self._run.alarms += [f"{alarm.code}: {alarm.text}" for alarm in outputs.alarms]
        for first in range(0, len(outputs.intents), DECISIONS_MAX):
            intents = outputs.intents[first : first + DECISIONS_MAX]
            self._watch.flush()
            verdicts, changes = self._account.decide(intents, self._marks(), now_ns)
            cause = Cause(now_ns, now_ns)
            for verdict, intent in zip(verdicts, intents, strict=True):
                self._by_strategy[intent.strategy].on_verdict(verdict, cause)
                self._run.wanted.append(Wanted(now_ns, intent.strategy, intent, verdict.verdict))
                if isinstance(verdict, Approved):
                    lane = self._by_name[verdict.intent.instrument_id]
                    lane.orders.append(lane.matcher.accept(verdict, now_ns=now_ns))
                elif isinstance(verdict, CancelApproved):
                    self._cancel(verdict.intent, now_ns)
                else:
                    self._run.denials[verdict.code.value] += 1
            self._tell(changes, now_ns)

    def _withdraw(self, now_ns: int) -> None:
        """What the gate does where a limit is reached: orders that would raise the exposure go."""
        while any(lane.orders for lane in self._lanes) and (intents := self._account.withdrawal(self._marks(), now_ns)):
            self._watch.flush()
            verdicts, changes = self._account.decide(intents, self._marks(), now_ns)
            for verdict in verdicts:
                if isinstance(verdict, CancelApproved):
                    self._cancel(verdict.intent, now_ns)
            self._tell(changes, now_ns)

    def _cancel(self, intent: CancelIntent, now_ns: int) -> None:
        for lane in self._lanes:
            for order in lane.orders:
                if order.client_order_id == intent.orig_client_order_id:
                    lane.matcher.cancel(order, now_ns=now_ns)

    def _marks(self) -> dict[str, Mark]:
        return {lane.name: mark for lane in self._lanes if (mark := lane.mark) is not None}

    def _tell(self, changes: Changes, now_ns: int) -> None:
        """Fills and orders to the strategies that want them; what they answer is decided at once, bounded."""
        if not self._tells or not (changes.fills or changes.orders):
            return
        self._rounds += 1
        if self._rounds > ROUNDS_MAX:
            msg = f"strategies answered each other's orders {ROUNDS_MAX} times within one candle; the run is stopped"
            raise UsageError(msg)
        for runner in self._runners:
            outputs = runner.on_changes(changes, Cause(now_ns, now_ns))
            if outputs.intents or outputs.alarms:
                self._follow(outputs, now_ns)

    # -- the simulated venue -------------------------------------------------------------------------------------

    def _match(self, lane: Lane, bar: Bar) -> None:
        """This candle's fills of the orders that were working before it; stops before limits."""
        open_ns = bar.open_time_ns
        self._rounds = 0
        waiting = lane.orders
        lane.orders = []
        for order in sorted(waiting, key=_stops_first) if len(waiting) > 1 else waiting:
            found = lane.matcher.match(order, bar)
            if isinstance(found, Execution):
                self._fill(lane, found, open_ns, bar[1])
            elif found is not None:
                self._end(found, open_ns)
            if order.left and not isinstance(found, Ended):
                lane.orders.append(order)

    def _end(self, ended: Ended, ts_ns: int) -> None:
        changes = self._account.report(
            ended.order.approved, ExecType(ended.end.value), ts_ns=ts_ns, reason=ended.reason
        )
        self._tell(changes, ts_ns)

    def _fill(self, lane: Lane, found: Execution, ts_ns: int, row: int) -> None:
        order, intent, quantity = found.order, found.order.approved.intent, found.quantity
        instrument = lane.candles.instrument
        if intent.side.sign > 0:
            quantity = affordable(
                quantity,
                price=found.price,
                balance=self.state.balance(order.approved.venue_account, instrument.quote),
                taker_bps=max(self._model.taker_bps, self._model.maker_bps),
                lot=instrument.lot_size,
            )
        if quantity:
            fee = self._fees.of(product(found.price, quantity), found.liquidity, ts_ns)
            self._watch.flush()
            before = self.state.position(intent.strategy, lane.name).realised_pnl
            changes = self._account.fill(
                order.approved, quantity=quantity, price=found.price, fee=fee, liquidity=found.liquidity, ts_ns=ts_ns
            )
            order.left = difference(order.left, quantity)
            position = self.state.position(intent.strategy, lane.name)
            self._run.trades.append(
                Trade(
                    ts_ns=ts_ns,
                    row=row,
                    instrument_id=lane.name,
                    strategy=intent.strategy,
                    side=intent.side,
                    quantity=quantity,
                    price=found.price,
                    fee=fee,
                    is_maker=found.liquidity is Liquidity.MAKER,
                    realised_pnl=difference(position.realised_pnl, before),
                    position=position.quantity,
                    reason=intent.reason,
                )
            )
            self._watch.follow(ts_ns)
            self._tell(changes, ts_ns)
        if quantity < found.quantity:
            self._end(Ended(order, End.EXPIRED, "the balance pays for no more"), ts_ns)
            order.left = ZERO


def _stops_first(order: WorkingOrder) -> int:
    return 0 if order.is_stop else 1


def times_of(candles: Sequence[Candles]) -> array[int]:
    """The open time of every moment of a run on them."""
    first = candles[0].open_ns
    if all(each.open_ns == first for each in candles):
        return first
    return array("q", sorted({time for each in candles for time in each.open_ns}))


def check_candles(candles: Sequence[Candles]) -> None:
    """`UsageError` where series cannot run side by side: none, a name twice, two intervals, two quote currencies."""
    if not candles or not all(len(each) for each in candles):
        msg = "no candles to run on"
        raise UsageError(msg)
    names = [each.name for each in candles]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        msg = f"{twice} comes twice; give one file per instrument"
        raise UsageError(msg)
    for what, found in (
        ("intervals", {each.interval for each in candles}),
        ("quote currencies", {each.instrument.quote for each in candles}),
    ):
        if len(found) > 1:
            msg = f"candles of different {what} ({', '.join(sorted(found))}) cannot run in one account"
            raise UsageError(msg)
