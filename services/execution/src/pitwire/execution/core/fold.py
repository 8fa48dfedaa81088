"""Execution's core: the journal in sequence order, and the venue's words, to what must be done.

`observe` folds; what it returns depends on the journal alone, except that a process which does not lead does nothing.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from pitwire.common.enums import AlertSeverity, OrderStatus
from pitwire.common.errors import InvariantBroken
from pitwire.common.halts import Halts, covers, is_cancelled_by
from pitwire.common.ids import content_hash, venue_of
from pitwire.common.order_state import OrderState, cancel_requested, not_sent, submitting
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.execution import AlgoStep, ExecEvent, ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import (
    Approved,
    CancelApproved,
    CapitalRecorded,
    Halt,
    IncarnationStarted,
    LeaderChanged,
    LedgerEvent,
    Resume,
    RiskDecision,
)
from pitwire.execution.core import snapshots
from pitwire.execution.core.actions import Action, Alarm, Cancel, Deposed, Investigate, Send, Submit
from pitwire.execution.core.agreement import Agreement
from pitwire.execution.core.approvals import Setup, approval_fault
from pitwire.execution.core.doubts import Doubt
from pitwire.execution.core.held_halts import HeldHalts
from pitwire.execution.core.last_hop import LastHop
from pitwire.execution.core.orders import Entry, Orders
from pitwire.execution.core.place import ExecPlace
from pitwire.execution.core.telling import Teller, alarm_of
from pitwire.execution.core.venue import InDoubt, OrderFacts, Placed, Refused, SubmitAnswer, VenueOrder, VenueTrade

SERVICE: Final = "execution"
SNAPSHOT_VERSION: Final = 2


class ExecutionCore:
    """One account. `leader` is this process as it signs `LeaderChanged`."""

    def __init__(self, setup: Setup, *, leader: str) -> None:
        self.account = setup.account
        self.place = ExecPlace(setup.account)
        self.sequence = 0
        """Everything of this account up to here is folded."""

        self.halts = HeldHalts()
        self.orders = Orders()
        self.agreement = Agreement()
        self.last_hop = LastHop(setup, self.halts, self.orders)
        self.gate_leader = ""
        self.leading = False
        self.stopped = ""
        self._setup = setup
        self._leader = leader
        self._incarnation = ""
        self._last_intent_no: dict[str, int] = {}
        self._teller = Teller(setup, self.orders)
        self._read = ExecPlace(setup.account)
        """`place` as read: it runs ahead by what was just written."""

    # -- snapshots -----------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The fold at `sequence` as plain JSON values."""
        return {
            "version": SNAPSHOT_VERSION,
            "account": self.account,
            "sequence": self.sequence,
            "place": snapshots.place_row(self._read),
            "halts": self.halts.journaled.snapshot(),
            "orders": snapshots.orders_rows(self.orders),
            "agreement": self.agreement.snapshot(),
            "gate_leader": self.gate_leader,
            "incarnation": self._incarnation,
            "last_intent_no": self._last_intent_no,
            "ts_market_ns": self._teller.ts_market_ns,
        }

    def restore(self, data: dict[str, Any]) -> ExecutionCore:
        """Stands where `snapshot` stood, whatever was here before; `ValueError` for one of another version."""
        if (data.get("version"), data.get("account")) != (SNAPSHOT_VERSION, self.account):
            msg = f"snapshot {data.get('version')!r} of account {data.get('account')!r}"
            raise ValueError(msg)
        self.sequence = data["sequence"]
        self.place = snapshots.place_of(self.account, data["place"])
        self._read = snapshots.place_of(self.account, data["place"])
        self.halts = HeldHalts(Halts.restore(data["halts"]))
        self.orders = snapshots.orders_of(data["orders"])
        self.agreement = Agreement.restore(data["agreement"])
        self.last_hop = LastHop(self._setup, self.halts, self.orders)
        self._teller = Teller(self._setup, self.orders)
        self._teller.ts_market_ns = data["ts_market_ns"]
        self.gate_leader = data["gate_leader"]
        self._incarnation = data["incarnation"]
        self._last_intent_no = data["last_intent_no"]
        return self

    def state_hash(self) -> str:
        """sha256 of the snapshot."""
        return content_hash(orjson.dumps(self.snapshot()))

    # -- the fold ------------------------------------------------------------------------------------------------

    def observe(self, sequence: int, event: Message, now_ns: int) -> tuple[Action, ...]:
        """Folds one record of the journal; `InvariantBroken` for one that cannot be. `now_ns` only dates new events."""
        actions: list[Action] = []
        if sequence <= self.sequence:
            return ()
        self.sequence = sequence
        if isinstance(event, Halt):
            self.halts.journaled.add(event)
            actions = self._obey(event, now_ns)
        elif isinstance(event, Resume):
            self.halts.clear(event)
            self.agreement.resumed(event.cleared)
        elif self.stopped:
            return ()
        elif isinstance(event, LeaderChanged) and event.service == SERVICE:
            actions = self._leader_changed(sequence, event, now_ns)
        elif isinstance(event, LedgerEvent | LeaderChanged):
            actions = self._ledger(sequence, event)
        elif isinstance(event, Submitting | NotSent | ExecReport | AlgoStep):
            self._take(sequence, event)
            actions = self._exec(event)
        return tuple(actions)

    def read_to(self, sequence: int) -> None:
        """Everything up to `sequence` was read and what is of this account folded: a start need not read it again."""
        self.sequence = max(self.sequence, sequence)

    def _ledger(self, sequence: int, event: LedgerEvent | LeaderChanged) -> list[Action]:
        if event.account != self.account:
            raise InvariantBroken(f"ledger of {self.account} at {sequence}: record of account {event.account}")
        if isinstance(event, LeaderChanged):
            self.gate_leader = event.leader
            return []
        self._teller.ts_market_ns = max(self._teller.ts_market_ns, event.ts_market_ns)
        if isinstance(event, IncarnationStarted):
            self._incarnation = event.incarnation
        elif isinstance(event, CapitalRecorded):
            self.agreement.capital(event)
        actions: list[Action] = []
        if isinstance(event, RiskDecision):
            for verdict in event.verdicts:
                if isinstance(verdict, Approved):
                    actions += self._approved(sequence, event, verdict)
                elif isinstance(verdict, CancelApproved):
                    actions += self._cancel_approved(verdict)
        return actions if self.leading else []

    def _approved(self, sequence: int, decision: RiskDecision, approved: Approved) -> list[Action]:
        """Single use: an approval whose number is not above its strategy's last is never acted on."""
        intent = approved.intent
        last = self._last_intent_no.get(intent.strategy, 0)
        if intent.intent_no <= last or self.orders.get(approved.client_order_id) is not None:
            text = f"{approved.client_order_id}: intent {intent.intent_no} after {last} at sequence {sequence}"
            return [Alarm(AlertSeverity.CRITICAL, "APPROVAL_REUSED", text, intent.strategy)]
        self._last_intent_no[intent.strategy] = intent.intent_no
        fault = approval_fault(self._setup, approved, self._incarnation)
        if decision.incarnation != self._incarnation:
            fault = f"decision of incarnation {decision.incarnation}, ledger is {self._incarnation}"
        order = OrderState.of_approval(approved, venue=venue_of(intent.instrument_id), created_ns=decision.ts_ns)
        entry = Entry(
            order=order,
            told=order,
            approved=approved,
            decision_sequence=sequence,
            fault=fault,
            trace=intent.trace,
            valid_until_ns=approved.valid_until_ns,
        )
        self.orders.add(entry)
        actions: list[Action] = [Submit(order.client_order_id)]
        if fault:
            text = f"{order.client_order_id} at sequence {sequence}: {fault}"
            actions.append(Alarm(AlertSeverity.CRITICAL, "INVALID_APPROVAL", text, intent.strategy))
        return actions

    def _cancel_approved(self, verdict: CancelApproved) -> list[Action]:
        entry = self.orders.get(verdict.intent.orig_client_order_id)
        if entry is None or not entry.order.is_active:
            return []
        entry.order = cancel_requested(entry.order)
        entry.told = cancel_requested(entry.told)
        return [Cancel(entry.client_order_id)] if entry.is_out else []

    def _exec(self, event: Submitting | NotSent | ExecReport | AlgoStep) -> list[Action]:
        if isinstance(event, AlgoStep):
            return []
        entry = self.orders.get(event.client_order_id)
        own = self.leading
        if isinstance(event, ExecReport):
            self._teller.ts_market_ns = max(self._teller.ts_market_ns, event.ts_event_ns)
            if entry is None:
                state = OrderState.of_unknown(event)
                entry = Entry(order=state, told=state)
                self.orders.add(entry)
            booked = self.orders.fold_report(entry, event, own=own)
            self.agreement.fills(booked.fills if booked else ())
            return []
        if entry is None:
            if isinstance(event, NotSent):
                return []
            state = OrderState.of_submitting(event)
            entry = Entry(order=state, told=state)
            self.orders.add(entry)
        applied = submitting(entry.order, event) if isinstance(event, Submitting) else not_sent(entry.order, event)
        entry.order = applied.order
        actions: list[Action] = [alarm_of(odd) for odd in applied.anomalies] if self.leading else []
        if isinstance(event, Submitting):
            entry.valid_until_ns = event.valid_until_ns
            entry.trace = event.trace or entry.trace
            if own and entry.composed and not entry.sent:
                actions.append(Send(entry.client_order_id))
        self.orders.came_back(entry, own=own)
        return actions

    def venue_of(self, venue_account: str) -> str:
        """The venue of one of this account's venue accounts."""
        return self._setup.venue_accounts[venue_account]

    def lacks_trades(self, order: VenueOrder) -> bool:
        """The venue counts more of this order filled than the trades we know."""
        entry = self.orders.get(order.client_order_id)
        return entry is not None and self._teller.lacks_trades(entry, order)

    def knows_trade(self, venue_account: str, trade: VenueTrade) -> bool:
        """Booked already, or on its way to be."""
        venue = self._setup.venue_accounts[venue_account]
        return not self.orders.is_new_trade(f"{venue}|{venue_account}|{trade.instrument_id}|{trade.trade_id}")

    # -- leadership ----------------------------------------------------------------------------------------------

    def _take(self, sequence: int, event: ExecEvent | LeaderChanged) -> None:
        self.place.take(sequence, event)
        self._read.take(sequence, event)

    def _leader_changed(self, sequence: int, event: LeaderChanged, now_ns: int) -> list[Action]:
        self._take(sequence, event)
        if event.leader != self._leader:
            was, self.leading = self.leading, False
            return [Deposed(f"{event.leader} leads {self.account} since sequence {sequence}")] if was else []
        self.leading = True
        return self._recover(now_ns)

    def _recover(self, now_ns: int) -> list[Action]:
        """What an earlier life left undone. Nothing that may have been sent is sent again."""
        cancels: list[Action] = []
        doubts: list[Action] = []
        submits: list[Action] = []
        for entry in self.orders.active():
            if entry.approved is not None and not entry.order.submitted:
                submits.append(Submit(entry.client_order_id))
                continue
            if entry.wants_cancel:
                cancels.append(Cancel(entry.client_order_id))
            if not entry.told.seen_at_venue or entry.told.status is OrderStatus.UNKNOWN:
                doubts += self._doubt(entry, "a new leader found it in flight", now_ns)
        return cancels + doubts + submits

    def stop(self, why: str) -> list[Action]:
        """The journal of this account cannot be read on: no more is written or sent, what works is cancelled."""
        self.stopped = why
        found = [entry for entry in self.orders.active() if entry.is_out and not entry.is_protective]
        for entry in found:
            entry.cancel_wanted = True
        return [Cancel(entry.client_order_id) for entry in found]

    # -- halts and withdrawals -------------------------------------------------------------------------------------

    def latch(self, halt: Halt, now_ns: int) -> list[Action]:
        """Takes a halt from the operator beside the process and cancels what is in its scope, as one of the journal."""
        self.halts.latched.add(halt)
        return self._obey(halt, now_ns)

    def _obey(self, halt: Halt, now_ns: int) -> list[Action]:
        found = [
            entry
            for entry in self.orders.active()
            if is_cancelled_by(halt, is_protective=entry.is_protective) and self._covers(halt, entry)
        ]
        return self._withdraw(found, f"halt {halt.halt_id}", now_ns)

    def withdraw(self, reason: str, now_ns: int) -> list[Action]:
        """Cancels everything that works, except protective stops; orders withdrawn already are left to their cancel."""
        return self._withdraw([e for e in self.orders.active() if not e.is_protective], reason, now_ns)

    def _withdraw(self, entries: list[Entry], reason: str, now_ns: int) -> list[Action]:
        cancels: list[Action] = []
        told: list[Action] = []
        for entry in entries:
            if not entry.is_out or entry.wants_cancel:
                continue
            entry.cancel_wanted = True
            if self.leading:
                cancels.append(Cancel(entry.client_order_id))
                told += self._teller.cancel_pending(entry, reason, now_ns)
        return cancels + told

    def _covers(self, halt: Halt, entry: Entry) -> bool:
        told = entry.told
        return covers(
            halt, account=told.account, strategy=told.strategy, venue=told.venue, instrument_id=told.instrument_id
        )

    # -- what the venue says ---------------------------------------------------------------------------------------

    def answered(self, client_order_id: str, answer: SubmitAnswer, now_ns: int) -> list[Action]:
        """The venue's answer to the request, or that there is none."""
        entry = self.orders.get(client_order_id)
        if entry is None:
            return []
        entry.awaiting = False
        if isinstance(answer, Placed) and answer.facts.order.client_order_id != client_order_id:
            actions = self._doubt(entry, "the answer is about another order", now_ns)
        elif isinstance(answer, Placed):
            actions = self.told(answer.facts, entry.told.venue_account, now_ns)
        elif isinstance(answer, Refused) and not entry.told.seen_at_venue:
            actions = self._teller.rejected(entry, f"{answer.code}: {answer.text}", now_ns)
        elif isinstance(answer, InDoubt) and entry.told.seen_at_venue:
            actions = []
        else:
            actions = self._doubt(entry, answer.text, now_ns)
        if entry.wants_cancel:
            actions.append(Cancel(client_order_id))
        return actions

    def told(self, facts: OrderFacts, venue_account: str, now_ns: int) -> list[Action]:
        """A word of the venue about any order of this account: its stream, a query, a reconcile."""
        actions = self._teller.tell(facts, venue_account, now_ns)
        entry = self.orders.get(facts.order.client_order_id)
        if entry is None:
            return actions
        if entry.told.status is not OrderStatus.UNKNOWN:
            entry.doubt = None
        if entry.told.external and not entry.wants_cancel:
            actions += self._withdraw(self._halted(entry), "halted", now_ns)
        return actions

    def _halted(self, entry: Entry) -> list[Entry]:
        """The entry, if a halt that cancels covers it: an order found at the venue while halted goes too."""
        for halt in self.halts.active():
            if is_cancelled_by(halt, is_protective=entry.is_protective) and self._covers(halt, entry):
                return [entry]
        return []

    def missing(self, client_order_id: str, now_ns: int) -> list[Action]:
        """A reconcile did not find at the venue what works by our books."""
        entry = self.orders.get(client_order_id)
        if entry is None or not entry.told.is_active or entry.awaiting:
            return []
        return self._doubt(entry, "not found by a reconcile", now_ns)

    def checked(self, client_order_id: str, facts: OrderFacts | None, started_ns: int, now_ns: int) -> list[Action]:
        """One check of an order in doubt, begun at `started_ns`, on two endpoints: `facts`, or that both lack it."""
        entry = self.orders.get(client_order_id)
        if entry is None:
            return []
        if facts is not None:
            return self.told(facts, entry.told.venue_account, now_ns)
        if entry.doubt is None or not entry.doubt.absent(started_ns):
            return []
        entry.doubt = None
        if not entry.told.seen_at_venue:
            return self._teller.rejected(entry, "NOT_PLACED", now_ns)
        text = f"{client_order_id} was at {entry.told.venue_account} and is not known there any more"
        gone = self._teller.vanished(entry, now_ns)
        return [*gone, Alarm(AlertSeverity.CRITICAL, "ORDER_VANISHED", text, entry.told.strategy)]

    def escalate(self, client_order_id: str, now_ns: int) -> list[Action]:
        """Raises the alarm once for an order that stays in doubt."""
        entry = self.orders.get(client_order_id)
        if entry is None or entry.doubt is None or not entry.doubt.escalates(now_ns):
            return []
        text = f"{client_order_id} of {entry.told.strategy} is in doubt since {entry.doubt.since_ns}"
        return [Alarm(AlertSeverity.CRITICAL, "ORDER_IN_DOUBT", text, entry.told.strategy)]

    def _doubt(self, entry: Entry, reason: str, now_ns: int) -> list[Action]:
        if not entry.told.is_active:
            return []
        actions = self._teller.unknown(entry, reason, now_ns)
        if entry.doubt is None:
            entry.doubt = Doubt(since_ns=now_ns, valid_until_ns=entry.valid_until_ns)
            actions.append(Investigate(entry.client_order_id))
        return actions
