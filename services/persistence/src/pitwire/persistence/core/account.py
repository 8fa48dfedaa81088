"""One account in one batch: its chain checked, its records folded, its rows collected. A break stops it, alone."""

from __future__ import annotations

from collections.abc import Iterable

from pitwire.common.errors import InvariantBroken
from pitwire.common.money import ZERO
from pitwire.common.portfolio.chain import Chain
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.execution import ExecEvent, ExecReport
from pitwire.common.schemas.ledger import (
    Approved,
    CancelApproved,
    CapitalRecorded,
    Cursors,
    IncarnationStarted,
    LeaderChanged,
    LedgerEvent,
    LimitsApplied,
    MarksRecorded,
    RiskDecision,
    StrategyPaused,
    StrategyRegistered,
)
from pitwire.persistence.core.decisions import decision_rows
from pitwire.persistence.core.entries import Read, storable
from pitwire.persistence.core.journal_rows import AccountRow
from pitwire.persistence.core.operations_rows import CapitalRow, LimitsRow, StrategyRow
from pitwire.persistence.core.orders import OrderBook, fill_of_row
from pitwire.persistence.core.positions import PositionBook
from pitwire.persistence.core.tables import Writes
from pitwire.persistence.core.trading_rows import FillRow, MarkRow
from pitwire.persistence.core.worth import Worth


class AccountFold:
    """The rows of one account, moved record by record. What was folded before is passed over."""

    def __init__(
        self,
        account: str,
        quote: str,
        row: AccountRow | None,
        *,
        orders: OrderBook,
        positions: PositionBook,
        uncovered: Iterable[FillRow],
        strategies: Iterable[StrategyRow],
        is_released: bool = False,
    ) -> None:
        self.account = account
        self.stopped: tuple[int, str] | None = None
        if row is not None and row.stopped_sequence is not None and not is_released:
            self.stopped = (row.stopped_sequence, row.stopped_reason or "")
        self._quote = row.quote if row else quote
        self._incarnation = row.incarnation if row else ""
        self._market_ns = row.market_ns if row else 0
        self._chain = _chain_of(account, row)
        self._orders = orders
        self._positions = positions
        self._strategies = {known.strategy: known for known in strategies}
        self._worth = Worth(self._quote, row, [(fill.oms_sequence, fill_of_row(fill)) for fill in uncovered])
        self._writes = Writes()

    def stop(self, sequence: int, reason: str) -> None:
        """Nothing from `sequence` on becomes rows until somebody has looked."""
        if self.stopped is None:
            self.stopped = (sequence, storable(reason))

    def is_news(self, read: Read) -> bool:
        """Whether the record is past what is folded already."""
        at = self._chain.ledger_sequence if read.place.is_ledger else self._chain.exec_sequence
        return read.entry.sequence > at

    def apply(self, read: Read, message: Message) -> None:
        """Folds one record of this account; a broken chain or promise stops the account instead of raising."""
        if self.stopped is not None or not self.is_news(read):
            return
        sequence = read.entry.sequence
        try:
            if read.place.is_ledger and isinstance(message, LedgerEvent | LeaderChanged):
                self._chain.check_ledger(sequence, message)
                self._ledger(sequence, message)
                self._chain.take_ledger(sequence, message, read.entry.data)
            elif isinstance(message, ExecEvent | LeaderChanged):
                self._chain.take_exec(sequence, message)
                self._exec(sequence, message)
        except InvariantBroken as broken:
            self.stop(sequence, str(broken))

    def rows(self) -> Writes:
        """Everything that changed, and where the account stands now."""
        self._writes.extend(self._orders.rows())
        self._writes.extend(self._orders.history)
        self._writes.extend(self._positions.fills)
        self._writes.extend(self._positions.positions())
        self._writes.extend(self._positions.history)
        self._writes.extend(self._positions.balances())
        self._writes.add(self._row())
        return self._writes

    def _row(self) -> AccountRow:
        chain, worth = self._chain, self._worth
        return AccountRow(
            account=self.account,
            quote=self._quote,
            incarnation=self._incarnation,
            ledger_no=chain.ledger_no,
            ledger_sequence=chain.ledger_sequence,
            ledger_hash=chain.prev_hash,
            ledger_epoch=chain.epoch,
            exec_no=chain.exec_no,
            exec_sequence=chain.exec_sequence,
            exec_epoch=chain.exec_epoch,
            covered_sequence=chain.cursors.oms_sequence,
            day=worth.day,
            start_of_day_equity=worth.start_of_day_equity,
            peak_equity=worth.peak_equity,
            equity_market_ns=worth.equity_market_ns,
            holdings=worth.holdings_text,
            market_ns=self._market_ns,
            stopped_sequence=self.stopped[0] if self.stopped else None,
            stopped_reason=self.stopped[1] if self.stopped else None,
        )

    def _exec(self, sequence: int, event: ExecEvent | LeaderChanged) -> None:
        if isinstance(event, LeaderChanged):
            return
        changes = self._orders.on_exec(sequence, event)
        if isinstance(event, ExecReport) and changes.fills:
            self._positions.book(sequence, event, changes.fills)
            for fill in changes.fills:
                self._worth.wait(sequence, fill)

    def _ledger(self, sequence: int, record: LedgerEvent | LeaderChanged) -> None:
        if isinstance(record, RiskDecision):
            self._decide(sequence, record)
        self._worth.apply(record)
        if isinstance(record, LeaderChanged):
            return
        self._market_ns = max(self._market_ns, record.ts_market_ns)
        if isinstance(record, IncarnationStarted):
            self._incarnation = record.incarnation
        if isinstance(record, MarksRecorded | RiskDecision):
            for mark in record.marks:
                self._writes.add(MarkRow(self.account, mark.instrument_id, mark.mark_price, sequence, mark.ts_event_ns))
        self._note(sequence, record)
        if self._quote and (equity := self._worth.row_at(sequence, record)) is not None:
            self._writes.add(equity)

    def _decide(self, sequence: int, decision: RiskDecision) -> None:
        if decision.incarnation != self._incarnation:
            msg = f"decision in incarnation {decision.incarnation!r}, the ledger is in {self._incarnation!r}"
            raise InvariantBroken(msg)
        approved: dict[str, None] = {}
        for verdict in decision.verdicts:
            if isinstance(verdict, Approved):
                if verdict.client_order_id in approved or self._orders.knows(verdict.client_order_id):
                    msg = f"{verdict.client_order_id} is approved twice"
                    raise InvariantBroken(msg)
                approved[verdict.client_order_id] = None
        for event_no, verdict in enumerate(decision.verdicts, start=1):
            if isinstance(verdict, CancelApproved):
                self._orders.request_cancel(sequence, event_no, decision, verdict)
            elif isinstance(verdict, Approved):
                self._orders.approve(sequence, event_no, decision, verdict)
        self._writes.extend(decision_rows(sequence, decision))

    def _note(self, sequence: int, record: LedgerEvent) -> None:
        """The records that are rows of their own."""
        if isinstance(record, LimitsApplied):
            self._writes.add(_limits_row(sequence, record))
        elif isinstance(record, CapitalRecorded):
            self._positions.deposit(sequence, record)
            self._writes.add(
                CapitalRow(
                    account=self.account,
                    oms_sequence=sequence,
                    venue_account=record.venue_account,
                    asset=record.asset,
                    amount=record.amount,
                    reason=storable(record.reason),
                    recorded_ns=record.ts_ns,
                )
            )
        elif isinstance(record, StrategyRegistered | StrategyPaused):
            row = _strategy_row(self._strategies.get(record.strategy), sequence, record)
            self._strategies[record.strategy] = row
            self._writes.add(row)


def _chain_of(account: str, row: AccountRow | None) -> Chain:
    chain = Chain(account)
    if row is not None:
        chain.ledger_no, chain.ledger_sequence = row.ledger_no, row.ledger_sequence
        chain.epoch, chain.prev_hash = row.ledger_epoch, row.ledger_hash
        chain.exec_no, chain.exec_sequence, chain.exec_epoch = row.exec_no, row.exec_sequence, row.exec_epoch
        chain.cursors = Cursors(oms_sequence=row.covered_sequence)
        chain.advanced_to = row.covered_sequence
    return chain


def _limits_row(sequence: int, record: LimitsApplied) -> LimitsRow:
    limits = record.limits
    return LimitsRow(
        account=record.account,
        oms_sequence=sequence,
        limits_version=limits.limits_version,
        order_value_max=limits.order_value_max,
        position_value_max=limits.position_value_max,
        open_positions_max=limits.open_positions_max,
        daily_loss_max_percent=limits.daily_loss_max_percent,
        drawdown_max_percent=limits.drawdown_max_percent,
        instruments_allowed=list(limits.instruments_allowed),
        instruments_restricted=list(limits.instruments_restricted),
        strategies_allowed=list(limits.strategies_allowed),
        mark_age_max_ms=limits.mark_age_max_ms,
        command_id=storable(record.command_id),
        applied_ns=record.ts_ns,
        price_collar_percent=limits.price_collar_percent,
        orders_per_minute_max=limits.orders_per_minute_max,
        concentration_max_percent=limits.concentration_max_percent,
        strategy_exposure_max_percent=limits.strategy_exposure_max_percent,
    )


def _strategy_row(
    before: StrategyRow | None, sequence: int, record: StrategyRegistered | StrategyPaused
) -> StrategyRow:
    if isinstance(record, StrategyRegistered):
        paused, reason = (before.paused, before.pause_reason) if before else (False, "")
        return StrategyRow(record.account, record.strategy, record.capital, paused, reason, sequence, record.ts_ns)
    capital, registered_ns = (before.capital, before.registered_ns) if before else (ZERO, 0)
    reason = storable(record.reason)
    return StrategyRow(record.account, record.strategy, capital, record.paused, reason, sequence, registered_ns)
