"""Named places where a process may be made to die at once, as by kill -9, so that its recovery can be tried there.

Unarmed, which is always so outside a crash test, a pass costs one comparison. `PITWIRE_CRASHPOINT` arms one point for
the life of a process; whoever supervises it starts the next life without.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from typing import Final

from pitwire.common.errors import ConfigError

SEPARATOR: Final = ":"
MARK: Final = "crashpoint "
"""How the last line of a process that died at a point begins."""

TRACE: Final = "trace"
TRACE_MARK: Final = "crashpoint passed "


class CrashPoint(StrEnum):
    """Every place. Before and after each step that changes what the world knows."""

    FEED_DEFINED = "market-data.instruments.published"
    FEED_RESUMED = "market-data.series.resumed"
    FEED_HISTORY = "market-data.history.read"
    FEED_CANDLE_CLOSED = "market-data.candle.closed"
    FEED_CANDLE_STORED = "market-data.candle.stored"
    FEED_QUOTE_PUBLISHED = "market-data.quote.published"

    STRATEGY_FOLDED = "strategy.journal.folded"
    STRATEGY_WARM = "strategy.history.shown"
    STRATEGY_CANDLE_READ = "strategy.candle.read"
    STRATEGY_CANDLE_DONE = "strategy.candle.done"
    STRATEGY_INTENT_MADE = "strategy.intent.made"
    STRATEGY_INTENT_STORED = "strategy.intent.stored"
    STRATEGY_ANSWER_READ = "strategy.answer.read"

    GATE_RESTORED = "risk-gate.state.restored"
    GATE_FOLDED = "risk-gate.journal.folded"
    GATE_LEADS = "risk-gate.leader.appended"
    GATE_INTENT_READ = "risk-gate.intent.read"
    GATE_DECIDED = "risk-gate.decision.made"
    GATE_DECISION_APPENDED = "risk-gate.decision.appended"
    GATE_MARKED = "risk-gate.marks.made"
    GATE_MARKS_APPENDED = "risk-gate.marks.appended"
    GATE_SNAPSHOT_DUE = "risk-gate.snapshot.due"
    GATE_SNAPSHOT_STORED = "risk-gate.snapshot.stored"
    GATE_COMMAND_READ = "risk-gate.command.read"
    GATE_COMMAND_DONE = "risk-gate.command.done"
    GATE_COMMAND_ANSWERED = "risk-gate.command.answered"

    EXECUTION_FOLDED = "execution.journal.folded"
    EXECUTION_LEADS = "execution.leader.appended"
    EXECUTION_APPROVAL_READ = "execution.approval.read"
    EXECUTION_NOT_SENT_APPENDED = "execution.not-sent.appended"
    EXECUTION_SUBMITTING_MADE = "execution.submitting.made"
    EXECUTION_SUBMITTING_APPENDED = "execution.submitting.appended"
    EXECUTION_RELEASED = "execution.order.released"
    EXECUTION_DOUBT_ASKED = "execution.doubt.asked"
    EXECUTION_DOUBT_ANSWERED = "execution.doubt.answered"
    EXECUTION_SENT = "execution.order.sent"
    EXECUTION_ANSWERED = "execution.order.answered"
    EXECUTION_WORD_HEARD = "execution.venue-word.heard"
    EXECUTION_REPORT_MADE = "execution.report.made"
    EXECUTION_REPORT_APPENDED = "execution.report.appended"
    EXECUTION_CANCEL_DUE = "execution.cancel.due"
    EXECUTION_CANCEL_ANSWERED = "execution.cancel.answered"
    EXECUTION_RECONCILE_BEGUN = "execution.reconcile.begun"
    EXECUTION_RECONCILED = "execution.reconcile.done"
    EXECUTION_HALT_READ = "execution.halt.read"
    EXECUTION_HALT_OBEYED = "execution.halt.obeyed"
    EXECUTION_WITHDRAWN = "execution.stop.withdrawn"

    ROWS_CURSOR_READ = "persistence.cursor.read"
    ROWS_BATCH_READ = "persistence.batch.read"
    ROWS_LOCKED = "persistence.transaction.begun"
    ROWS_WRITTEN = "persistence.rows.written"
    ROWS_CURSOR_MOVED = "persistence.cursor.moved"
    ROWS_COMMITTED = "persistence.transaction.committed"

    @property
    def service(self) -> str:
        """The service that passes it."""
        return self.partition(".")[0]


class _Armed:
    """One point, and how many passes are left before the one that kills."""

    def __init__(self, point: CrashPoint, passes: int) -> None:
        self.point = point
        self.passes = passes

    def passed(self, point: CrashPoint) -> None:
        if point is not self.point:
            return
        self.passes -= 1
        if self.passes:
            return
        os.write(2, f"{MARK}{point}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


class _Tracing:
    """Kills nobody, and says at its first pass of each point that it is reached."""

    def __init__(self) -> None:
        self._passed: set[CrashPoint] = set()

    def passed(self, point: CrashPoint) -> None:
        if point not in self._passed:
            self._passed.add(point)
            os.write(2, f"{TRACE_MARK}{point}\n".encode())


_armed: _Armed | _Tracing | None = None


def crashpoint(point: CrashPoint) -> None:
    """Dies here, if this is the point and the pass that was armed."""
    if _armed is not None:
        _armed.passed(point)


def arm(text: str) -> None:
    """Arms `point:n`, to die at its n-th pass (`point` alone: the first); empty disarms. Else `ConfigError`.

    `trace` kills nobody: the first pass of each point is told on standard error.
    """
    global _armed  # noqa: PLW0603 - one per process, like the death it leads to
    if not text or text == TRACE:
        _armed = _Tracing() if text else None
        return
    name, _, count = text.partition(SEPARATOR)
    if name not in list(CrashPoint) or not (count or "1").isdigit() or not int(count or "1"):
        raise ConfigError(
            where="PITWIRE_CRASHPOINT", what=f"{text!r} is not POINT or POINT:N; see docs/reference/config.md"
        )
    _armed = _Armed(CrashPoint(name), int(count or "1"))
