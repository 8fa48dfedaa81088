"""Finding and reading recorded candles: a CSV file, or the one-minute files of a folder."""

import gzip
import re
import zlib
from collections.abc import Collection
from pathlib import Path

from pitwire.venue_sim.core.recorded import RecordedMarket, Recording, RecordingError

FILE_NAME = re.compile(r"(?:.*_)?(?P<symbol>[A-Z0-9]{5,20})_1m(?:_.*)?\.csv(?:\.gz)?")
FILES_MAX = 100


def read_market(source: Path, *, history: int, symbols: Collection[str] = ()) -> RecordedMarket:
    """The market that a file or folder holds, of these symbols only when some are named.

    Raises:
        RecordingError: nothing usable is there, or a file is damaged; the text names file, line and reason.
    """
    files = _files(source)
    found = {path: match["symbol"] for path in files if (match := FILE_NAME.fullmatch(path.name))}
    missing = [symbol for symbol in symbols if symbol not in found.values()]
    if missing:
        raise RecordingError(f"{source}: no one-minute candles of {', '.join(missing)} in it")
    chosen = [path for path in files if not symbols or found.get(path) in symbols]
    return RecordedMarket([_read_file(path) for path in chosen], history=history)


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise RecordingError(f"{source}: no such file or folder")
    files = sorted(path for path in source.iterdir() if FILE_NAME.fullmatch(path.name))
    if not files:
        raise RecordingError(f"{source}: no one-minute candles in it; files are named SYMBOL_1m_FROM_TO.csv or .csv.gz")
    if len(files) > FILES_MAX:
        raise RecordingError(f"{source}: {len(files)} files, more than {FILES_MAX}")
    return files


def _read_file(path: Path) -> Recording:
    match = FILE_NAME.fullmatch(path.name)
    if match is None:
        raise RecordingError(f"{path}: the name does not tell the symbol; name it SYMBOL_1m_FROM_TO.csv or .csv.gz")
    recording = Recording(match["symbol"], str(path))
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="ascii") as lines:
                recording.read(lines)
        else:
            with path.open(encoding="ascii") as lines:
                recording.read(lines)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as problem:
        raise RecordingError(f"{path}: cannot be read: {problem}") from None
    return recording
