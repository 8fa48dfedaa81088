"""A recorded market: one-minute candles of files, on a common clock, replayed with the path model of `path`."""

from array import array
from collections.abc import Iterable
from decimal import Decimal

from pitwire.venue_sim.core.path import BAR_MS, Bar, bar_problem
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.core.units import DECIMALS, to_scaled

REQUIRED_COLUMNS = ("open_time_ms", "open", "high", "low", "close", "volume")
FIAT = ("USD", "EUR")
"""Never a base where a symbol can be read otherwise: USDTUSD is USDT in USD."""
QUOTE_ASSETS = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD", "EUR", "BTC", "ETH", "BNB")
BARS_MAX = 5_000_000
"""Bars of one file (nine years of minutes)."""
LOT_DECIMALS_MAX = 5
"""Lots are never finer than this, whatever the recorded volumes show."""


class RecordingError(Exception):
    """A recording cannot be used: which file, which line, why."""


class Recording:
    """The bars of one symbol, parsed and checked line by line, kept in compact arrays."""

    def __init__(self, symbol: str, name: str) -> None:
        self.symbol = symbol
        self.name = name
        self.open_ms = array("q")
        self._values = [array("q") for _ in range(5)]
        self.price_decimals = 0
        self.volume_decimals = 0
        self._line = 0
        self._columns: list[int] = []

    def read(self, lines: Iterable[str]) -> None:
        """Take a whole CSV file.

        Raises:
            RecordingError: a line is not a true bar; nothing of the file may be used then.
        """
        for line in lines:
            self._line += 1
            fields = line.rstrip("\r\n").split(",")
            if self._line == 1:
                self._read_header(fields)
            elif fields != [""]:
                self._read_bar(fields)
        if not self.open_ms:
            raise RecordingError(f"{self.name}: no candles in it")

    def _problem(self, reason: str) -> RecordingError:
        return RecordingError(f"{self.name}, line {self._line}: {reason}")

    def _read_header(self, fields: list[str]) -> None:
        missing = [column for column in REQUIRED_COLUMNS if column not in fields]
        if missing:
            raise self._problem(f"the header lacks {', '.join(missing)}; it needs {','.join(REQUIRED_COLUMNS)}")
        self._columns = [fields.index(column) for column in REQUIRED_COLUMNS]

    def _read_bar(self, fields: list[str]) -> None:
        if len(fields) <= max(self._columns):
            raise self._problem(f"{len(fields)} fields where {max(self._columns) + 1} are needed")
        if len(self.open_ms) >= BARS_MAX:
            raise self._problem(f"more than {BARS_MAX} candles")
        texts = [fields[column].strip() for column in self._columns]
        try:
            open_ms = int(texts[0])
            values = [to_scaled(text) for text in texts[1:]]
        except ValueError as problem:
            raise self._problem(str(problem)) from None
        if open_ms % BAR_MS:
            raise self._problem(f"open_time_ms {open_ms} is not a whole minute")
        if self.open_ms and open_ms <= self.open_ms[-1]:
            raise self._problem(f"open_time_ms {open_ms} does not rise (the line before has {self.open_ms[-1]})")
        reason = bar_problem(Bar(open_ms, *values))
        if reason is not None:
            raise self._problem(reason)
        self.open_ms.append(open_ms)
        for column, value in zip(self._values, values, strict=True):
            column.append(value)
        self.price_decimals = max(self.price_decimals, *map(_decimals, texts[1:5]))
        self.volume_decimals = max(self.volume_decimals, _decimals(texts[5]))

    def bar(self, index: int) -> Bar:
        return Bar(self.open_ms[index], *(column[index] for column in self._values))

    def rules(self) -> SymbolRules:
        """The symbol's rules: the finest tick the recording shows, and lots so that values keep eight decimals."""
        return shown_rules(
            self.symbol,
            price_decimals=self.price_decimals,
            quantity_decimals=self.volume_decimals,
            dearest=max(self._values[1]),
        )


class RecordedMarket:
    """Recordings as a source of bars. A minute that a recording skips is a bar without volume at the last close."""

    def __init__(self, recordings: list[Recording], *, history: int) -> None:
        """Make one clock of several recordings; the first `history` bars of each are history.

        Raises:
            RecordingError: a symbol comes twice, or a recording is not longer than the history.
        """
        self._recordings: dict[str, Recording] = {}
        for recording in recordings:
            other = self._recordings.setdefault(recording.symbol, recording)
            if other is not recording:
                raise RecordingError(f"{recording.name}: {recording.symbol} is also in {other.name}; give one of them")
            if len(recording.open_ms) <= history:
                raise RecordingError(
                    f"{recording.name}: {len(recording.open_ms)} candles, all of them history; "
                    f"give a longer file or a --history below {len(recording.open_ms)}"
                )
        self.rules = [recording.rules() for recording in recordings]
        self.first_ms = min(recording.open_ms[0] for recording in recordings)
        self.live_ms = max(recording.open_ms[history] for recording in recordings)
        self.end_ms: int | None = max(recording.open_ms[-1] for recording in recordings)
        names = ",".join(f"{recording.symbol}:{len(recording.open_ms)}" for recording in recordings)
        self.identity = f"recorded {names} from={self.first_ms} history={history}"
        self._cursor = dict.fromkeys(self._recordings, 0)

    def bar(self, symbol: str, open_ms: int) -> Bar | None:
        """The bar of a symbol that opens then; None before its first and after its last."""
        recording, cursor = self._recordings[symbol], self._cursor[symbol]
        times = recording.open_ms
        if open_ms < times[0] or open_ms > times[-1]:
            return None
        while times[cursor] < open_ms:
            cursor += 1
        self._cursor[symbol] = cursor
        if times[cursor] == open_ms:
            return recording.bar(cursor)
        close = recording.bar(cursor - 1).close
        return Bar(open_ms, close, close, close, close, 0)


def shown_rules(symbol: str, *, price_decimals: int, quantity_decimals: int, dearest: int) -> SymbolRules:
    """Rules by what a recording shows of a symbol; `dearest` is its highest price as an integer of 10^-8.

    Raises:
        RecordingError: the symbol ends with no known quote asset.
    """
    base, quote = split_symbol(symbol)
    price_decimals = min(price_decimals, DECIMALS)
    lot_decimals = min(quantity_decimals, LOT_DECIMALS_MAX, DECIMALS - price_decimals)
    digits = len(str(dearest // 10**DECIMALS))
    return SymbolRules(
        symbol=symbol,
        base=base,
        quote=quote,
        tick_size=Decimal(1).scaleb(-price_decimals),
        lot_step=Decimal(1).scaleb(-lot_decimals),
        quantity_max=Decimal(10 ** max(4, 14 - digits)),
        market_quantity_max=Decimal(10 ** max(3, 13 - digits)),
        notional_min=Decimal(5) if quote in QUOTE_ASSETS[:7] else Decimal("0.0001"),
    )


def split_symbol(symbol: str) -> tuple[str, str]:
    """(base, quote) of a symbol by its known quote asset.

    Raises:
        RecordingError: it ends with no known quote asset.
    """
    pairs = [(symbol[: -len(each)], each) for each in QUOTE_ASSETS if symbol.endswith(each) and symbol != each]
    if pairs:
        return next((pair for pair in pairs if pair[0] not in FIAT), pairs[0])
    raise RecordingError(f"unknown symbol {symbol!r}: it does not end with one of {', '.join(QUOTE_ASSETS)}")


def _decimals(text: str) -> int:
    return len(text.partition(".")[2]) if "." in text else 0
