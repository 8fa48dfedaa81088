"""Recorded candles from CSV files, plain or gzipped, into columns; what is wrong is named by file, line and reason."""

from __future__ import annotations

import gzip
import re
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from math import isfinite
from operator import ge, le, lt
from pathlib import Path
from typing import Final, TextIO

from pitwire.backtest.core.candles import COLUMNS, EXACT_DIGITS_MAX, Candles
from pitwire.common.errors import UsageError
from pitwire.common.schemas.market import Instrument
from pitwire.common.units import NS_PER_S

CHUNK_LINES: Final = 20_000
LINES_MAX: Final = 20_000_000
"""Candles of one file: forty years of minutes."""

LOT_DECIMALS: Final = 5
"""Lots of what is not described anywhere: a hundred-thousandth, as large venues have for their dearest symbols."""

TIME_NAMES: Final = ("open_time_ms", "open_time", "open_time_ns", "timestamp", "time", "datetime", "date", "")
FIAT: Final = ("USD", "EUR", "GBP", "JPY")
QUOTES: Final = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", *FIAT, "BTC", "ETH", "BNB")
NAME: Final = re.compile(r"(?:(?P<venue>[A-Za-z][A-Za-z0-9-]*)_)?(?P<symbol>[A-Z0-9]{5,20})(?:_.*)?\.csv(?:\.gz)?")
UNITS_NS: Final = {10: NS_PER_S, 13: 1_000_000, 16: 1_000, 19: 1}
"""What a time of so many digits counts, in nanoseconds."""

INTERVALS: Final = {60: "m", 3_600: "h", 86_400: "d"}


class DataError(UsageError):
    """A file of candles cannot be used; the text names file, line and reason."""

    code = "DATA"


@dataclass(slots=True)
class _Reading:
    """One file as far as it is read."""

    path: Path
    places: tuple[int, ...] = ()
    width: int = 0
    line: int = 0
    open_ns: array[int] = field(default_factory=lambda: array("q"))
    columns: tuple[array[float], ...] = field(default_factory=lambda: tuple(array("d") for _ in COLUMNS))
    exact: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    decimals: int = 0


def read_candles(path: Path, *, instrument_id: str = "") -> Candles:
    """The candles of one file. `instrument_id` overrides what the file's name says.

    Raises:
        DataError: nothing of a damaged file is used.
    """
    name = instrument_id or instrument_of(path)
    reading = _Reading(path)
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            _read(reading, lines)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as problem:
        raise DataError(f"{path}, after line {reading.line}: cannot be read: {problem}") from None
    if not reading.open_ns:
        raise DataError(f"{path}: no candles in it")
    step_ns = step_of(reading.open_ns)
    columns = dict(zip(COLUMNS, reading.columns, strict=True))
    return Candles(
        _instrument(name, reading.decimals),
        interval_of(step_ns),
        step_ns,
        reading.open_ns,
        exact=reading.exact,
        **columns,
    )


def instrument_of(path: Path) -> str:
    """`kraken_BTCUSDT_1m_....csv.gz` holds BTC-USDT.kraken; without a venue in front it is `sim`.

    Where a name could be two pairs, the base is no state's money if it can be helped: USDTUSD is USDT-USD.

    Raises:
        DataError: the name does not tell.
    """
    match = NAME.fullmatch(path.name)
    symbol = match["symbol"] if match else ""
    pairs = [(symbol.removesuffix(each), each) for each in QUOTES if symbol.endswith(each) and symbol != each]
    if match and pairs:
        base, quote = next((pair for pair in pairs if pair[0] not in FIAT), pairs[0])
        return f"{base}-{quote}.{match['venue'] or 'sim'}"
    text = "the name does not tell the instrument; name it like BTCUSDT_1m.csv or venue_BTCUSDT_1m.csv.gz"
    raise DataError(f"{path}: {text}, or give BASE-QUOTE.venue=FILE")


def step_of(open_ns: Sequence[int]) -> int:
    """The commonest distance of two candles; one minute for a single one."""
    sample = Counter(late - early for early, late in zip(open_ns, islice(open_ns, 1, 100_000), strict=False))
    return sample.most_common(1)[0][0] if sample else 60 * NS_PER_S


def interval_of(step_ns: int) -> str:
    """`1m`, `4h`, `1d`; seconds where it is none of these."""
    seconds = step_ns // NS_PER_S
    unit = max((each for each in INTERVALS if not seconds % each), default=0)
    return f"{seconds // unit}{INTERVALS[unit]}" if unit and seconds else f"{max(seconds, 1)}s"


def _instrument(name: str, decimals: int) -> Instrument:
    symbol, _, venue = name.rpartition(".")
    base, _, quote = symbol.partition("-")
    return Instrument(
        instrument_id=name,
        symbol=symbol,
        venue=venue,
        venue_symbol=f"{base}{quote}",
        base=base,
        quote=quote,
        tick_size=Decimal(1).scaleb(-decimals),
        lot_size=Decimal(1).scaleb(-LOT_DECIMALS),
    )


def _read(reading: _Reading, lines: TextIO) -> None:
    _read_header(reading, next(lines, ""))
    while chunk := list(islice(lines, CHUNK_LINES)):
        if len(reading.open_ns) + len(chunk) > LINES_MAX:
            raise DataError(f"{reading.path}: more than {LINES_MAX} candles")
        rows = [line.rstrip("\r\n").split(",") for line in chunk if not line.isspace()]
        if not _take_fast(reading, rows):
            for line in chunk:
                reading.line += 1
                if not line.isspace():
                    _take_row(reading, line.rstrip("\r\n").split(","))
        else:
            reading.line += len(chunk)


def _read_header(reading: _Reading, header: str) -> None:
    reading.line = 1
    names = [name.strip().lower() for name in header.rstrip("\r\n").split(",")]
    time = next((name for name in TIME_NAMES if name in names), None)
    missing = [name for name in ("open", "high", "low", "close") if name not in names]
    if time is None or missing:
        lacks = ", ".join(missing) or "a time (open_time_ms, timestamp, date ...)"
        raise DataError(f"{reading.path}, line 1: the header lacks {lacks}; it has {','.join(names) or 'nothing'}")
    volume = names.index("volume") if "volume" in names else -1
    reading.places = (names.index(time), *(names.index(name) for name in COLUMNS[:4]), volume)
    reading.width = max(reading.places) + 1


def _take_fast(reading: _Reading, rows: list[list[str]]) -> bool:
    """A whole chunk, column by column; False, and nothing taken, where any row needs a closer look."""
    if any(len(row) < reading.width for row in rows) or not rows:
        return not rows
    texts = [[row[place] for row in rows] if place >= 0 else ["0"] * len(rows) for place in reading.places]
    if any(max(map(len, column)) > EXACT_DIGITS_MAX for column in texts[1:]):
        return False
    digits = len(texts[0][0])
    if digits not in UNITS_NS or any(len(text) != digits for text in texts[0]):
        return False
    try:
        open_ns = array("q", [int(text) * UNITS_NS[digits] for text in texts[0]])
        columns = [array("d", map(float, column)) for column in texts[1:]]
    except (ValueError, OverflowError):
        return False
    if not _are_candles(columns) or not _rise(reading.open_ns, open_ns):
        return False
    reading.open_ns.extend(open_ns)
    for column, values in zip(reading.columns, columns, strict=True):
        column.extend(values)
    if any("e" in text or "E" in text for column in texts[1:5] for text in column):
        return True
    longest = max(len(text.partition(".")[2]) for column in texts[1:5] for text in column)
    reading.decimals = max(reading.decimals, longest)
    return True


def _rise(before: array[int], times: array[int]) -> bool:
    first = not before or before[-1] < times[0]
    return first and all(map(lt, times, islice(times, 1, None)))


def _are_candles(columns: Sequence[array[float]]) -> bool:
    open_, high, low, close, volume = columns
    inside = all(map(le, low, open_)) and all(map(le, low, close)) and all(map(ge, high, open_))
    inside = inside and all(map(ge, high, close)) and min(low) > 0 and min(volume) >= 0
    return inside and max(high) < float("inf") and max(volume) < float("inf")


def _take_row(reading: _Reading, row: list[str]) -> None:
    """One line on its own: what is wrong with it is said, numbers too long for a float are kept as they are."""
    if len(row) < reading.width:
        raise _problem(reading, f"{len(row)} fields where {reading.width} are needed")
    texts = [row[place].strip() if place >= 0 else "0" for place in reading.places]
    open_ns = _time_ns(reading, texts[0])
    if reading.open_ns and open_ns <= reading.open_ns[-1]:
        raise _problem(reading, f"time {texts[0]} does not come after that of the candle before")
    numbers = [_number(reading, name, text) for name, text in zip(COLUMNS, texts[1:], strict=True)]
    open_, high, low, close, volume = numbers
    if low <= 0 or volume < 0:
        raise _problem(reading, f"a price is not above 0 or the volume is negative: {','.join(texts[1:])}")
    if not (low <= min(open_, close) and high >= max(open_, close)):
        raise _problem(reading, f"open {open_} or close {close} lies outside low {low} to high {high}")
    place = len(reading.open_ns)
    reading.open_ns.append(open_ns)
    for name, column, number in zip(COLUMNS, reading.columns, numbers, strict=True):
        column.append(float(number))
        if Decimal(repr(column[-1])) != number:
            reading.exact[name, place] = number
    for number in numbers[:4]:
        exponent = number.normalize().as_tuple().exponent
        reading.decimals = max(reading.decimals, -exponent if isinstance(exponent, int) else 0)


def _number(reading: _Reading, name: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _problem(reading, f"{name} {text!r} is not a number") from None
    if not number.is_finite() or not isfinite(float(number)):
        raise _problem(reading, f"{name} {text!r} is not a finite number")
    return number


def _time_ns(reading: _Reading, text: str) -> int:
    """Seconds to nanoseconds since 1970 by the number of digits, or an ISO 8601 time, UTC unless it says otherwise."""
    if text.isascii() and text.isdigit():
        if len(text) not in UNITS_NS:
            raise _problem(reading, f"time {text} has {len(text)} digits; seconds have 10, milliseconds 13")
        return int(text) * UNITS_NS[len(text)]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _problem(reading, f"time {text!r} is neither a number nor like 2024-08-05 14:30:00") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp()) * NS_PER_S


def _problem(reading: _Reading, reason: str) -> DataError:
    return DataError(f"{reading.path}, line {reading.line}: {reason}")


def files_of(words: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """`FILE` or `BASE-QUOTE.venue=FILE`, each as (instrument_id or empty, path)."""
    for word in words:
        name, equals, path = word.partition("=")
        yield (name, Path(path)) if equals and not Path(word).exists() else ("", Path(word))
