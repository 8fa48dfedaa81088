"""One running strategy: events in, decisions asked, intents made, every evaluation explained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from pitwire.common.enums import AlertSeverity, DataQuality
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.money import canonical
from pitwire.common.order_book import OrderBook
from pitwire.common.portfolio import AccountView, Changes
from pitwire.common.schemas.control import DecisionTrace
from pitwire.common.schemas.ledger import CancelApproved, Denied, Verdict
from pitwire.common.schemas.market import Candle, Quote, Trade
from pitwire.common.schemas.orders import OrderIntent
from pitwire.common.units import NS_PER_S
from pitwire.strategy.core.api import Cancel, Decision, Hold, Order, Target, Values
from pitwire.strategy.core.intents import Intent, IntentBook
from pitwire.strategy.core.ledger import SubLedger
from pitwire.strategy.core.making import IntentMaker, NotMade, Spec
from pitwire.strategy.core.outputs import TEXT_MAX, Alarm, Cause, Outputs, shown

DECISIONS_MAX: Final = 32
"""Answers to one event; more is a fault of the strategy."""

CANDLE_AGE_MAX_NS: Final = 10 * NS_PER_S
"""A closed candle that came longer ago than this (wall clock, since its frame arrived) only warms up."""

TICK_AGE_MAX_NS: Final = 2 * NS_PER_S
"""A quote, trade or book update that waited longer than this is not shown to strategies any more."""

HOLD, WARMING_UP = "HOLD", "WARMING_UP"


class Runner:
    """Feeds one strategy object. What it raises quarantines this strategy alone."""

    def __init__(
        self,
        spec: Spec,
        strategy: object,
        account: AccountView,
        registry: InstrumentRegistry,
        *,
        explains: bool = True,
    ) -> None:
        """`explains`: every evaluation leaves a `DecisionTrace`; without, only intents and alarms come out."""
        self.spec: Final = spec
        self._explains = explains
        self.quarantined = ""
        self.intents: Final = IntentBook()
        self.portfolio: Final = SubLedger(
            strategy=spec.name,
            capital=spec.capital,
            instruments=spec.instruments,
            account=account,
            registry=registry,
            intents=self.intents,
        )
        self._strategy = strategy
        self._maker = IntentMaker(spec, self.portfolio, account, self.intents)
        self._history = int(getattr(strategy, "history", 0))
        self._on_candle = getattr(strategy, "on_candle", None)
        self._timer_ns = int(getattr(strategy, "timer_seconds", 0) * NS_PER_S)
        self._timer_due_ns = 0
        self._seen: dict[str, int] = dict.fromkeys(spec.instruments, 0)
        self._last_open_ns: dict[str, int] = {}
        self._wishes: dict[int, tuple[Target, str]] = {}
        self._last_told: dict[str, tuple[str, str]] = {}

    @property
    def history_needed(self) -> int:
        """Closed candles per instrument before its answers count."""
        return self._history

    def wants(self, event: str) -> bool:
        return hasattr(self._strategy, event)

    # -- events --------------------------------------------------------------------------------------------------

    def warm_up(self, history: Sequence[Candle], cause: Cause) -> Outputs:
        """Closed candles from before the start, oldest first, once. Nothing it answers is acted on."""
        usable = [candle for candle in history if self._is_next(candle)]
        outputs = Outputs()
        if self.wants("on_start"):
            self._ask("on_start", (tuple(usable),), outputs, with_portfolio=False)
        else:
            for candle in usable:
                self._ask("on_candle", (candle,), outputs)
        if usable:
            cause = replace(cause, ts_event_ns=usable[-1].close_time_ns)
        for instrument_id in self.spec.instruments:
            if self._is_warming_up(instrument_id):
                self._tell(instrument_id, WARMING_UP, self._warmth(instrument_id), cause, outputs)
        return outputs

    def on_candle(self, candle: Candle, cause: Cause) -> Outputs:
        """A closed candle. Repeated, open and doubtful ones are never shown; late and backfilled ones only warm up."""
        outputs = Outputs()
        instrument_id = candle.instrument_id
        if instrument_id not in self._seen or candle.interval != self.spec.interval:
            return outputs
        if candle.quality is not DataQuality.OK:
            self._tell(instrument_id, HOLD, f"candle is {candle.quality}: not used", cause, outputs)
            return outputs
        if not self._is_next(candle):
            return outputs
        decisions = self._ask("on_candle", (candle,), outputs)
        age_ns = cause.now_ns - candle.ts_recv_ns
        if self.quarantined:
            return outputs
        if candle.backfilled:
            signal = WARMING_UP if self._is_warming_up(instrument_id) else HOLD
            self._tell(instrument_id, signal, "candles from history warm up only", cause, outputs, once=True)
        elif self._is_warming_up(instrument_id):
            self._tell(instrument_id, WARMING_UP, self._warmth(instrument_id), cause, outputs)
        elif age_ns > CANDLE_AGE_MAX_NS:
            reason = f"candle is {age_ns // NS_PER_S} s late: warms up only"
            self._tell(instrument_id, HOLD, reason, cause, outputs)
        else:
            if self.wants("on_candle"):
                self._act(decisions or (Hold("no decision"),), instrument_id, cause, outputs)
            self._on_time_passed(candle.close_time_ns, cause, outputs)
        return outputs

    def on_bar(self, candle: Any, cause_of: Callable[[Any], Cause]) -> Outputs | None:
        """As `on_candle`, for a host that shows each closed, good candle of this strategy once, in the order of time.

        `candle` has what a `Candle` has. None where nothing follows: reasons to hold are not made. The host keeps
        `portfolio.prices`. `cause_of` is asked only where something follows.
        """
        instrument_id = candle.instrument_id
        seen = self._seen[instrument_id] = self._seen[instrument_id] + 1
        if self.quarantined:
            return None
        outputs: Outputs | None = None
        if self._on_candle is not None:
            try:
                answer = self._on_candle(candle, self.portfolio)
                if (answer.__class__ is Hold or answer is None or seen < self._history) and not self._timer_ns:
                    return None
                decisions = _decisions(answer)
            except Exception as error:  # noqa: BLE001 - the fault of one strategy must not stop the others
                outputs = Outputs()
                self._quarantine(f"on_candle raised {type(error).__name__}: {error}", outputs)
                return outputs
            outputs = Outputs()
            if seen >= self._history:
                self._act(decisions, instrument_id, cause_of(candle), outputs)
        if self._timer_ns and seen >= self._history:
            outputs = Outputs() if outputs is None else outputs
            self._on_time_passed(candle.close_time_ns, cause_of(candle), outputs)
        return outputs

    def on_tick(self, tick: Quote | Trade | OrderBook, cause: Cause) -> Outputs:
        """A quote, a trade or a book that changed; only fresh ones of quality OK are shown, to who has a method for it.

        Others do not see its price either: what a strategy does must not depend on who else runs in its process.
        """
        outputs = Outputs()
        instrument_id = tick.instrument_id
        if instrument_id not in self._seen or tick.quality is not DataQuality.OK:
            return outputs
        if cause.now_ns - tick.ts_recv_ns > TICK_AGE_MAX_NS:
            return outputs
        event = "on_quote" if isinstance(tick, Quote) else "on_trade" if isinstance(tick, Trade) else "on_book"
        if not self.wants(event):
            return outputs
        if isinstance(tick, Quote):
            self.portfolio.prices[instrument_id] = tick.mid_price
        elif isinstance(tick, Trade):
            self.portfolio.prices[instrument_id] = tick.last_price
        decisions = self._ask(event, (tick,), outputs)
        if not self._is_warming_up(instrument_id):
            self._act(decisions, instrument_id, cause, outputs, once=True)
            self._on_time_passed(tick.ts_event_ns, cause, outputs)
        else:
            self._tell(instrument_id, WARMING_UP, self._warmth(instrument_id), cause, outputs, once=True)
        return outputs

    def on_changes(self, changes: Changes, cause: Cause) -> Outputs:
        """What the ledger booked: own fills and own orders. While warming up only exits and cancels follow."""
        outputs = Outputs()
        told = [("on_fill", fill) for fill in changes.fills] + [("on_order", order) for order in changes.orders]
        for event, what in told:
            if what.strategy == self.spec.name and self.wants(event):
                self._act(self._ask(event, (what,), outputs), what.instrument_id, cause, outputs)
        return outputs

    def on_verdict(self, verdict: Verdict, cause: Cause) -> Outputs:
        """The gate's answer to one intent of this strategy, sent by this process or by one before it."""
        outputs = Outputs()
        answered = self.intents.on_verdict(verdict)
        number = verdict.intent_no if isinstance(verdict, Denied) else verdict.intent.intent_no
        if answered.intent is not None:
            self._wishes.pop(number, None)
        if isinstance(verdict, Denied):
            self._tell(_instrument_of(verdict.intent), HOLD, _denial(verdict), cause, outputs, intent_no=number)
        elif isinstance(verdict, CancelApproved):
            self._tell("", HOLD, f"cancel of {verdict.intent.orig_client_order_id} approved", cause, outputs)
        for intent in answered.overtaken:
            self._make_again(intent, cause, outputs)
        return outputs

    def on_wall_time(self, now_ns: int) -> Outputs:
        """Gives up intents that nobody answered: the next evaluation starts from what is really held."""
        outputs = Outputs()
        for intent in self.intents.expire(now_ns):
            self._wishes.pop(intent.intent_no, None)
            text = f"{self.spec.name}: intent {intent.intent_no} had no answer of the gate until it expired"
            alarm = Alarm(AlertSeverity.WARNING, "INTENT_UNANSWERED", text, self.spec.name, self.spec.account)
            outputs.alarms.append(alarm)
        return outputs

    # -- decisions -----------------------------------------------------------------------------------------------

    def _ask(
        self, event: str, what: tuple[Any, ...], outputs: Outputs, *, with_portfolio: bool = True
    ) -> tuple[Decision, ...]:
        """What the strategy answers; its exceptions and nonsense end its trading, nobody else's."""
        if self.quarantined or not self.wants(event):
            return ()
        try:
            answer = getattr(self._strategy, event)(*what, *((self.portfolio,) if with_portfolio else ()))
            return _decisions(answer)
        except Exception as error:  # noqa: BLE001 - the fault of one strategy must not stop the others
            self._quarantine(f"{event} raised {type(error).__name__}: {error}", outputs)
            return ()

    def _act(
        self,
        decisions: Iterable[Decision],
        instrument_id: str,
        cause: Cause,
        outputs: Outputs,
        *,
        once: bool = False,
    ) -> None:
        """Decisions for any instrument of the strategy: on one that is still warming up, only exits and cancels follow.

        `once`: ticks come by the thousand, so a reason to hold is told when it begins, not with each of them.
        """
        for decision in decisions:
            place = decision.instrument_id or instrument_id
            if isinstance(decision, Hold):
                self._tell(place, HOLD, decision.reason, cause, outputs, values=decision.values, once=once)
                continue
            warmth = self._warmth(place) if self._is_warming_up(place) else ""
            try:
                made = self._maker.make(decision, place, cause, warmth=warmth)
            except Exception as error:  # noqa: BLE001 - as above: a wish that cannot be written down
                self._quarantine(f"{type(decision).__name__} cannot be made: {type(error).__name__}: {error}", outputs)
                return
            self._explain(decision, made, place, cause, outputs, once=once)

    def _explain(
        self,
        decision: Target | Order | Cancel,
        made: Intent | NotMade,
        place: str,
        cause: Cause,
        outputs: Outputs,
        *,
        once: bool,
    ) -> None:
        target = decision.quantity if isinstance(decision, Target) else None
        values = {} if isinstance(decision, Cancel) else decision.values
        if isinstance(made, NotMade):
            reason = f"{decision.reason}; no order: {made.reason}"
            self._tell(place, HOLD, reason, cause, outputs, values=values, target=target, once=once)
            return
        outputs.intents.append(made)
        if isinstance(decision, Target):
            self._wishes[made.intent_no] = decision, place
        signal = made.side.value if isinstance(made, OrderIntent) else HOLD
        self._tell(
            place, signal, decision.reason, cause, outputs, values=values, target=target, intent_no=made.intent_no
        )

    def _make_again(self, intent: Intent, cause: Cause, outputs: Outputs) -> None:
        """Its number went to an intent of an earlier life. A target is wanted still, from what is held by now."""
        wish = self._wishes.pop(intent.intent_no, None)
        place = _instrument_of(intent)
        if wish is None or cause.now_ns >= intent.valid_until_ns:
            reason = f"intent {intent.intent_no}: the number was taken before, not repeated"
            self._tell(place, HOLD, reason, cause, outputs, intent_no=intent.intent_no)
        else:
            self._act((wish[0],), wish[1], cause, outputs)

    def _quarantine(self, reason: str, outputs: Outputs) -> None:
        self.quarantined = reason[:TEXT_MAX]
        text = f"{self.spec.name} is quarantined until it is started again: {self.quarantined}"
        alarm = Alarm(AlertSeverity.CRITICAL, "STRATEGY_QUARANTINED", text, self.spec.name, self.spec.account)
        outputs.alarms.append(alarm)

    def _on_time_passed(self, ts_event_ns: int, cause: Cause, outputs: Outputs) -> None:
        """The market clock: one call however many periods have passed, so that a stall brings no burst."""
        if not self._timer_ns or not self.wants("on_timer") or ts_event_ns < self._timer_due_ns:
            return
        first = not self._timer_due_ns
        self._timer_due_ns = (ts_event_ns // self._timer_ns + 1) * self._timer_ns
        if not first:
            self._act(self._ask("on_timer", (ts_event_ns,), outputs), self.spec.instruments[0], cause, outputs)

    def _is_next(self, candle: Candle) -> bool:
        """Closed, of quality OK, configured, and later than every one before; then it counts."""
        instrument_id = candle.instrument_id
        if not candle.closed or candle.quality is not DataQuality.OK or instrument_id not in self._seen:
            return False
        if candle.interval != self.spec.interval or candle.open_time_ns <= self._last_open_ns.get(instrument_id, -1):
            return False
        self._last_open_ns[instrument_id] = candle.open_time_ns
        self._seen[instrument_id] += 1
        self.portfolio.prices[instrument_id] = candle.close
        return True

    # -- reasons -------------------------------------------------------------------------------------------------

    def _is_warming_up(self, instrument_id: str) -> bool:
        return self._seen.get(instrument_id, self._history) < self._history

    def _warmth(self, instrument_id: str) -> str:
        return f"{self._seen[instrument_id]} of {self._history} candles"

    def _tell(
        self,
        place: str,
        signal: str,
        reason: str,
        cause: Cause,
        outputs: Outputs,
        *,
        values: Values | None = None,
        target: Decimal | None = None,
        intent_no: int = 0,
        once: bool = False,
    ) -> None:
        if not self._explains:
            return
        if once and self._last_told.get(place) == (signal, reason):
            return
        self._last_told[place] = signal, reason
        outputs.traces.append(
            DecisionTrace(
                account=self.spec.account,
                strategy=self.spec.name,
                instrument_id=place or self.spec.instruments[0],
                ts_event_ns=cause.ts_event_ns or cause.now_ns,
                signal=signal,
                reason=reason[:TEXT_MAX],
                values={name: shown(value) for name, value in (values or {}).items()},
                target_position=target,
                intent_no=intent_no,
                ts_ns=cause.now_ns,
            )
        )


def _decisions(answer: Any) -> tuple[Decision, ...]:
    """One decision, several or none, as a tuple; `TypeError` for anything else, `ValueError` for too many."""
    if answer is None:
        return ()
    if isinstance(answer, Decision):
        return (answer,)
    found = tuple(islice(answer, DECISIONS_MAX + 1))
    if len(found) > DECISIONS_MAX:
        msg = f"more than {DECISIONS_MAX} decisions on one event"
        raise ValueError(msg)
    for each in found:
        if not isinstance(each, Decision):
            msg = f"answered {type(each).__name__}, expected Hold, Target, Order or Cancel"
            raise TypeError(msg)
    return found


def _instrument_of(intent: Intent | None) -> str:
    return intent.instrument_id if isinstance(intent, OrderIntent) else ""


def _denial(denied: Denied) -> str:
    figures = "".join(
        f", {name} {canonical(value)}"
        for name, value in (("limit", denied.limit), ("observed", denied.observed))
        if value is not None
    )
    return f"intent {denied.intent_no} denied {denied.code}{figures}{f' ({denied.detail})' if denied.detail else ''}"
