"""Rows of halts and resumes: everything doubtful halts more, only a resume that names a halt ends it."""

from __future__ import annotations

from collections.abc import Iterable

from pitwire.common.enums import HaltScope, TradingState
from pitwire.common.schemas.ledger import Halt, Resume
from pitwire.persistence.core.entries import storable
from pitwire.persistence.core.operations_rows import HaltRow, ResumeRow


class HaltBook:
    """The halts that one batch is about, by the rules of the common fold."""

    def __init__(self, rows: Iterable[HaltRow]) -> None:
        self.resumes: list[ResumeRow] = []
        self._rows = {row.halt_id: row for row in rows}
        self._touched: dict[str, None] = {}

    def add(self, sequence: int, halt: Halt) -> None:
        """A new halt, or one written again: the stricter state holds, another scope makes it a halt of everything."""
        known = self._rows.get(halt.halt_id)
        if known is not None and known.oms_sequence >= sequence:
            return
        row = HaltRow(
            halt_id=halt.halt_id,
            scope=halt.scope.value,
            target=storable(halt.target),
            trading_state=halt.state.value,
            cancel_policy=halt.cancel.value,
            reason=storable(halt.reason),
            source=halt.source,
            oms_sequence=sequence,
            cleared_by=None,
            cleared_sequence=None,
            halted_ns=halt.ts_ns,
            cleared_ns=0,
        )
        if known is not None and known.cleared_by is None:
            if (known.scope, known.target) != (row.scope, row.target):
                row = row._replace(scope=HaltScope.ALL.value, target="")
            if TradingState(row.trading_state).severity < TradingState(known.trading_state).severity:
                row = known._replace(oms_sequence=sequence)
        self._rows[halt.halt_id] = row
        self._touched[halt.halt_id] = None

    def clear(self, sequence: int, resume: Resume) -> None:
        """Ends the halts it names; one that is not known yet stays unknown."""
        self.resumes.append(
            ResumeRow(
                resume_id=resume.resume_id,
                oms_sequence=sequence,
                cleared=list(resume.cleared),
                command_id=storable(resume.command_id),
                operator=resume.operator,
                approver=storable(resume.approver),
                reason=storable(resume.reason),
                resumed_ns=resume.ts_ns,
            )
        )
        for halt_id in resume.cleared:
            row = self._rows.get(halt_id)
            if row is not None and row.cleared_by is None and row.oms_sequence < sequence:
                self._rows[halt_id] = row._replace(
                    cleared_by=resume.resume_id, cleared_sequence=sequence, cleared_ns=resume.ts_ns
                )
                self._touched[halt_id] = None

    def rows(self) -> list[HaltRow]:
        """Every halt that changed."""
        return [self._rows[halt_id] for halt_id in self._touched]
