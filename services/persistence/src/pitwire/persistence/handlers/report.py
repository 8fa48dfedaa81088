"""What the writers tell, passed on to the shell: progress, readiness, metrics, alerts."""

from __future__ import annotations

from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from pitwire.common.clock import NS_PER_S
from pitwire.common.enums import AlertSeverity
from pitwire.common.shell import Shell
from pitwire.common.telemetry import Log
from pitwire.persistence.core.journal import JOURNAL, Notice
from pitwire.persistence.core.tables import Writes

STANDSTILL_ALERT_S: Final = 30.0
"""A stream that has not moved for so long is told to a person, once per standstill."""


class Host(Shell, Protocol):
    """The shell, and what a process shows of itself."""

    @property
    def log(self) -> Log: ...

    @property
    def registry(self) -> CollectorRegistry: ...

    def set_ready(self, ready: bool) -> None: ...


class ShellReport:
    """One for all streams. Ready = every stream was read to its end once and nothing stands still."""

    def __init__(self, service: Host, streams: tuple[str, ...]) -> None:
        self._service = service
        self._to_read = dict.fromkeys(streams)
        self._waiting: dict[str, int] = {}
        self._told: dict[str, None] = {}
        self._market_ns = 0
        registry = service.registry
        self._rows = Counter("pitwire_persistence_rows", "rows stored", ("table",), registry=registry)
        self._pending = Gauge(
            "pitwire_persistence_pending", "records read or known and not stored yet", ("stream",), registry=registry
        )
        self._cursor = Gauge(
            "pitwire_persistence_cursor", "sequence of the last record stored", ("stream",), registry=registry
        )
        self._retries = Counter(
            "pitwire_persistence_retries", "times bus or database did not answer", ("stream",), registry=registry
        )

    async def notice(self, notice: Notice) -> None:
        await self._service.alert(notice.severity, notice.code, notice.text, account=notice.account)

    def stored(self, stream: str, *, sequence: int, pending: int, market_ns: int, writes: Writes | None) -> None:
        self._cursor.labels(stream).set(sequence)
        self._pending.labels(stream).set(pending)
        for table, rows in writes.by_table() if writes is not None else ():
            self._rows.labels(table.name).inc(len(rows))
        if stream == JOURNAL:
            self._service.progress(cursor=sequence, lag=pending)
        if market_ns > self._market_ns:
            self._market_ns = market_ns
            self._service.progress(ts_market_ns=market_ns, now=True)

    def caught_up(self, stream: str) -> None:
        self._to_read.pop(stream, None)
        self._judge()

    def waits(self, stream: str, reason: str) -> None:
        if not reason:
            if self._waiting.pop(stream, None) is not None:
                self._told.pop(stream, None)
                self._service.log.info("moves again", stream=stream)
                self._judge()
            return
        self._retries.labels(stream).inc()
        now_ns = self._service.clock.monotonic_ns()
        since_ns = self._waiting.setdefault(stream, now_ns)
        self._service.log.warning("waits", stream=stream, reason=reason)
        if now_ns - since_ns > STANDSTILL_ALERT_S * NS_PER_S and stream not in self._told:
            self._told[stream] = None
            text = f"{stream} has not been stored for {STANDSTILL_ALERT_S:.0f} s: {reason}. Trading goes on"
            self._service.spawn(f"tell {stream}", self.notice(Notice(AlertSeverity.CRITICAL, "STANDSTILL", text)))
        self._judge()

    def _judge(self) -> None:
        self._service.set_ready(not self._to_read and not self._waiting)
