"""A core and its journal, without a bus."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from services.execution.tests.builders import (
    ACCOUNT,
    INSTRUMENT,
    START_NS,
    VENUE_ACCOUNT,
    Ledger,
    approval,
    facts,
    setup_of,
    short,
    trade,
    venue_order,
)

from pitwire.common.enums import OrderStatus
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.execution import ExecEvent, NotSent, Submitting
from pitwire.common.schemas.ledger import (
    LeaderChanged,
)
from pitwire.common.schemas.market import Instrument
from pitwire.common.schemas.orders import OrderIntent
from pitwire.execution.core.actions import Action, Alarm, Cancel, Deposed, FetchTrades, Investigate, Send, Submit, Tell
from pitwire.execution.core.fold import ExecutionCore
from pitwire.execution.core.orders import Entry
from pitwire.execution.core.venue import OrderFacts, Placed


class CoreWorld:
    """A core and its journal: what the core tells is given its place, stored, and read back, as a writer would."""

    def __init__(self, *, leader: str = "0.exec1", instrument: Instrument | None = INSTRUMENT) -> None:
        self.ledger = Ledger()
        self.log: list[Message] = []
        self.now_ns = START_NS
        self.venue_trouble = ""
        self.gate_fresh = True
        self.sends: list[str] = []
        self.actions: list[Action] = []
        self.leader = leader
        self._setup = setup_of(*([instrument] if instrument else []))
        self.core = ExecutionCore(self._setup, leader=leader)

    @classmethod
    def started(cls) -> CoreWorld:
        """Led by a gate, with an incarnation, and led by us."""
        world = cls()
        world.append(world.ledger.leader())
        world.append(world.ledger.incarnation())
        world.lead()
        return world

    # -- the journal -----------------------------------------------------------------------------------------------

    def append(self, event: Message) -> None:
        """Stores one record and lets the core read it."""
        self.log.append(event)
        self.perform(self.core.observe(len(self.log), event, self.now_ns))

    def lead(self) -> None:
        place = self.core.place
        self.append(
            LeaderChanged(
                service="execution",
                leader=self.leader,
                epoch=place.epoch + 1,
                account=ACCOUNT,
                exec_no=place.exec_no + 1,
                ts_ns=self.now_ns,
            )
        )

    def restart(self, upto: int | None = None, *, leader: str = "0.exec2") -> CoreWorld:
        """Another process that folds the first `upto` records (all by default) and has not taken the lead yet."""
        other = CoreWorld(leader=leader)
        other.now_ns = self.now_ns
        for event in self.log[:upto]:
            other.append(event)
        return other

    def approve(self, wish: OrderIntent, **changed: Any) -> str:
        """The gate approves; returns the client_order_id."""
        verdict = approval(wish, now_ns=self.now_ns, **changed)
        self.append(self.ledger.decision(verdict, now_ns=self.now_ns))
        return verdict.client_order_id

    def place_event(self, event: ExecEvent) -> None:
        place = self.core.place
        self.append(event.model_copy(update={"exec_no": place.exec_no + 1, "epoch": place.epoch}))

    # -- what the shell does -----------------------------------------------------------------------------------------

    def perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self.actions.append(action)
            if isinstance(action, Tell):
                self.place_event(action.event)
            elif isinstance(action, Submit):
                self.submit(action.client_order_id)
            elif isinstance(action, Send):
                self.send(action.client_order_id)

    def submit(self, order_id: str) -> None:
        self.place_event(self.compose(order_id))

    def compose(self, order_id: str) -> Submitting | NotSent:
        refusal = self.refuse(order_id)
        if refusal is not None:
            return refusal
        hop = self.core.last_hop
        return hop.submitting(
            hop.wanted(order_id),
            request_hash="hash",
            valid_until_ns=self.entry(order_id).valid_until_ns,
            trace="",
            now_ns=self.now_ns,
        )

    def refuse(self, order_id: str) -> NotSent | None:
        return self.core.last_hop.refuse(
            order_id, self.now_ns, venue_trouble=self.venue_trouble, gate_fresh=self.gate_fresh
        )

    def send(self, order_id: str) -> None:
        refusal = self.refuse(order_id)
        if refusal is not None:
            self.place_event(refusal)
            return
        self.core.last_hop.sending(order_id)
        self.sends.append(order_id)

    def venue_says(self, *words: OrderFacts) -> None:
        for word in words:
            self.perform(self.core.told(word, VENUE_ACCOUNT, self.now_ns))

    # -- what a test looks at ----------------------------------------------------------------------------------------

    def entry(self, order_id: str) -> Entry:
        entry = self.core.orders.get(order_id)
        assert entry is not None
        return entry

    def status(self, order_id: str) -> OrderStatus:
        return self.entry(order_id).order.status

    def told(self, order_id: str) -> list[str]:
        """The order's execution events in journal order, in short."""
        return [short(event) for event in self.log if getattr(event, "client_order_id", "") == order_id]

    def wants(self, kind: type[Cancel | Investigate | FetchTrades]) -> list[str]:
        return [action.client_order_id for action in self.actions if isinstance(action, kind)]

    def alarms(self) -> list[str]:
        return [action.code for action in self.actions if isinstance(action, Alarm)]

    def deposed(self) -> bool:
        return any(isinstance(action, Deposed) for action in self.actions)


def placed(world: CoreWorld, order_id: str, *trades: str, status: OrderStatus = OrderStatus.NEW) -> None:
    """The venue's full answer: it stands so, with trades of these quantities."""
    filled = sum((Decimal(quantity) for quantity in trades), Decimal(0))
    rows = [trade(str(number), quantity) for number, quantity in enumerate(trades, start=1)]
    answer = Placed(facts(venue_order(order_id, status=status, cum_quantity=filled), *rows))
    world.perform(world.core.answered(order_id, answer, world.now_ns))
