"""The table of candles, written by hand of an operator: what is there already stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, LiteralString, Self

import psycopg

from pitwire.cli.addresses import plain_url
from pitwire.cli.database import CONNECT_TIMEOUT_S
from pitwire.common.enums import DataQuality
from pitwire.common.errors import StoreUnavailable
from pitwire.market_data.core.ticks import Bar, interval_ns

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
STATEMENT_TIMEOUT_MS: Final = 60_000
OPEN_TIMES: Final[LiteralString] = (
    "SELECT open_time_ns FROM candles WHERE instrument_id = %s AND interval = %s "
    "AND open_time_ns >= %s AND open_time_ns < %s ORDER BY open_time_ns"
)
INSERT: Final[LiteralString] = (
    "INSERT INTO candles (instrument_id, interval, open_time, open_time_ns, close_time_ns, open, high, low, close, "
    "volume, quote_volume, trade_count, backfilled, quality, stream_sequence, received_ns) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, true, %s, 0, %s) ON CONFLICT DO NOTHING"
)


class CandleStore:
    """One connection; every failure is a `StoreUnavailable` that says what to do."""

    def __init__(self, url: str) -> None:
        try:
            self._connection = psycopg.connect(
                plain_url(url),
                connect_timeout=CONNECT_TIMEOUT_S,
                options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
                autocommit=True,
            )
        except psycopg.Error as error:
            raise _unavailable(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def count(self, instrument_id: str, interval: str, from_ns: int, until_ns: int) -> int:
        """Candles that are there between two open times."""
        return len(self.open_times(instrument_id, interval, from_ns, until_ns))

    def open_times(self, instrument_id: str, interval: str, from_ns: int, until_ns: int) -> list[int]:
        """Of the candles that are there, rising."""
        try:
            rows = self._connection.execute(OPEN_TIMES, (instrument_id, interval, from_ns, until_ns)).fetchall()
        except psycopg.Error as error:
            raise _unavailable(error) from None
        return [int(row[0]) for row in rows]

    def put(self, bars: Sequence[Bar], *, received_ns: int) -> None:
        """All of them in one transaction; one that is there already, as it was traded on, is not touched."""
        rows = [_row(bar, received_ns) for bar in bars]
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.executemany(INSERT, rows)
        except psycopg.Error as error:
            raise _unavailable(error) from None


def _row(bar: Bar, received_ns: int) -> tuple[object, ...]:
    return (
        bar.instrument_id,
        bar.interval,
        EPOCH + timedelta(microseconds=bar.open_time_ns // 1_000),
        bar.open_time_ns,
        bar.open_time_ns + interval_ns(bar.interval),
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.quote_volume,
        bar.trade_count,
        DataQuality.OK.value,
        received_ns,
    )


def _unavailable(error: psycopg.Error) -> StoreUnavailable:
    if isinstance(error, psycopg.errors.UndefinedTable):
        return StoreUnavailable("the tables are not there yet: is persistence running? see `pitwire status`")
    return StoreUnavailable(f"the database did not answer: {str(error).strip().partition(chr(10))[0]}")
