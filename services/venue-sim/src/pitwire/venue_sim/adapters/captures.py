"""Reading captures: files of raw frames, each line the receive time in nanoseconds, a space, and the frame's JSON."""

import gzip
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import orjson

from pitwire.venue_sim.core.captured import Capture, Received
from pitwire.venue_sim.core.frames import DepthUpdate, Frame, FrameError, Lost, Print, Snapshot, Top, read_frame
from pitwire.venue_sim.core.instruments import Instruments, recorded_rules
from pitwire.venue_sim.core.levels import Ladder
from pitwire.venue_sim.core.recorded import RecordingError, shown_rules
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.core.units import SCALE, decimals_of

SUFFIXES = (".jsonl", ".jsonl.gz")
FILES_MAX = 100
LINE_BYTES_MAX = 8 * 1024 * 1024
BPS_PER_UNIT = 10_000


def capture_files(source: Path) -> list[Path]:
    """The captures that a path names: a file, or those of a folder by name; empty where there are none."""
    if source.is_dir():
        return sorted(path for path in source.iterdir() if path.name.endswith(SUFFIXES))
    return [source] if source.name.endswith(SUFFIXES) and source.is_file() else []


@dataclass(slots=True)
class _Seen:
    """What reading a capture through has shown."""

    lines: int = 0
    first_ns: int = 0
    symbols: dict[str, None] = field(default_factory=dict[str, None])
    snapshots: dict[str, Snapshot] = field(default_factory=dict[str, Snapshot])


def read_capture(files: list[Path], *, instruments: Instruments, offset_bps: Decimal) -> Capture:
    """The market that captures hold, each going on where the one before ends; only `instruments` if there are some.

    Raises:
        RecordingError: a line cannot be used, or a symbol has no depth snapshot; the text names file, line and reason.
        InstrumentError: what is configured of an instrument does not fit.
    """
    if len(files) > FILES_MAX:
        raise RecordingError(f"{files[0].parent}: {len(files)} captures, more than {FILES_MAX}")
    seen = _look_through(files)
    names = ", ".join(str(path) for path in files)
    chosen = list(instruments or seen.symbols)
    for symbol in chosen:
        if symbol not in seen.snapshots:
            raise RecordingError(
                f"{names}: no depth snapshot of {symbol}; a capture needs one, as REST `depth` gives it"
            )
    rules = recorded_rules([_rules(symbol, seen.snapshots[symbol]) for symbol in chosen], instruments)
    shifts = {each.symbol: _shift(seen.snapshots[each.symbol], each.tick_size, offset_bps) for each in rules}
    identity = f"captured {','.join(chosen)} lines={seen.lines} from={seen.first_ns}"
    if any(shifts.values()):
        identity += f" offset_bps={offset_bps.normalize():f}"
    return Capture(rules=rules, identity=identity, frames=lambda: _frames(files, chosen), shifts=shifts)


def _look_through(files: list[Path]) -> _Seen:
    """Read every line once, so that nothing starts on a capture that would fail in the middle."""
    seen = _Seen()
    for recv_ns, frame in _frames(files, ()):
        seen.lines += 1
        seen.first_ns = seen.first_ns or recv_ns
        if isinstance(frame, DepthUpdate | Top | Print):
            seen.symbols[frame.symbol] = None
        elif isinstance(frame, Snapshot):
            symbol = frame.symbol or _only(seen.symbols, files)
            seen.snapshots.setdefault(symbol, frame)
    if not seen.symbols:
        raise RecordingError(f"{files[0]}: no frame of a market in it")
    return seen


def _only(symbols: Collection[str], files: list[Path]) -> str:
    """The symbol of a snapshot that does not say its own."""
    if len(symbols) != 1:
        raise RecordingError(
            f"{files[0]}: a depth snapshot that does not say of which symbol it is comes among frames of "
            f"{len(symbols)} symbols; it can stand only after frames of one symbol"
        )
    return next(iter(symbols))


def _rules(symbol: str, snapshot: Snapshot) -> SymbolRules:
    levels: Ladder = [*snapshot.bids, *snapshot.asks]
    if not levels:
        raise RecordingError(f"the depth snapshot of {symbol} is empty")
    return shown_rules(
        symbol,
        price_decimals=max(decimals_of(price) for price, _ in levels),
        quantity_decimals=max(decimals_of(quantity) for _, quantity in levels),
        dearest=int(max(price for price, _ in levels) * SCALE),
    )


def _shift(snapshot: Snapshot, tick: Decimal, offset_bps: Decimal) -> Decimal:
    """The amount that is so many basis points of the price at the capture's beginning, in whole ticks."""
    best = (snapshot.bids or snapshot.asks)[0][0]
    return round(best * offset_bps / BPS_PER_UNIT / tick) * tick


def _frames(files: list[Path], symbols: Collection[str]) -> Iterator[Received]:
    """Every frame of these symbols, of all when none are named, in the order in which they came."""
    newest_ns = 0
    for path in files:
        for number, line in enumerate(_lines(path), start=1):
            try:
                recv_ns, frame = _read(line, newest_ns)
            except FrameError as problem:
                raise RecordingError(f"{path}, line {number}: {problem}") from None
            newest_ns = recv_ns
            if frame is not None and (not symbols or _is_of(frame, symbols)):
                yield recv_ns, frame


def _is_of(frame: Frame, symbols: Collection[str]) -> bool:
    return isinstance(frame, Lost) or frame.symbol is None or frame.symbol in symbols


def _read(line: bytes, newest_ns: int) -> tuple[int, Frame | None]:
    received, _, raw = line.partition(b" ")
    if not received.isdigit() or len(received) > 19:
        raise FrameError("does not begin with a receive time in nanoseconds and a space")
    if int(received) < newest_ns:
        raise FrameError(f"received {newest_ns - int(received)} ns before the line before it")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise FrameError("no JSON after the receive time") from None
    if not isinstance(value, dict):
        raise FrameError("the frame is no JSON object")
    return int(received), read_frame(value)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            while line := file.readline(LINE_BYTES_MAX):
                yield line
    except (OSError, EOFError, zlib.error) as problem:
        raise RecordingError(f"{path}: cannot be read: {problem}") from None
