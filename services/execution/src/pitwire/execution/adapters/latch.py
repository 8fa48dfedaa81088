"""Halts in files beside the process: given without the bus, obeyed without it, there again after every restart."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from pitwire.common import codec
from pitwire.common.enums import HaltScope
from pitwire.common.errors import DecodeError
from pitwire.common.schemas.ledger import Halt

FOLDER: Final = "halts"
SUFFIX: Final = ".json"
SEEN_SUFFIX: Final = ".seen"
FILE_BYTES_MAX: Final = 65_536
ID_MAX: Final = 36


class LatchFiles:
    """`LatchStore` in `<data_dir>/halts`: one `<halt_id>.json` each, and `<halt_id>.seen` once it is obeyed."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / FOLDER

    def add(self, halt: Halt) -> Path:
        """Stores a halt so that it survives a crash of this machine; returns its file."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{halt.halt_id}{SUFFIX}"
        self._write(path, codec.encode(halt))
        return path

    def read(self) -> Sequence[Halt]:
        if not self.folder.is_dir():
            return []
        return [_halt_in(path) for path in sorted(self.folder.glob(f"*{SUFFIX}"))]

    def remove(self, halt_id: str) -> None:
        for suffix in (SUFFIX, SEEN_SUFFIX):
            (self.folder / f"{halt_id}{suffix}").unlink(missing_ok=True)

    def acknowledge(self, halt_id: str, ts_ns: int) -> None:
        if self.folder.is_dir():
            self._write(self.folder / f"{halt_id}{SEEN_SUFFIX}", orjson.dumps({"ts_ns": ts_ns}))

    def acknowledged_ns(self, halt_id: str) -> int:
        """Since when the halt is obeyed; 0 when nobody has said so."""
        try:
            seen = orjson.loads((self.folder / f"{halt_id}{SEEN_SUFFIX}").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return 0
        return int(seen["ts_ns"])

    def _write(self, path: Path, data: bytes) -> None:
        """Whole or not at all: under another name first, forced to the disk, then renamed."""
        temporary = path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _halt_in(path: Path) -> Halt:
    """The halt in a file; a file that cannot be read halts everything under the name it has."""
    halt_id = path.name.removesuffix(SUFFIX)[:ID_MAX]
    try:
        with path.open("rb") as file:
            halt = codec.decode(Halt, file.read(FILE_BYTES_MAX), subject=path.name)
    except (OSError, DecodeError) as error:
        reason = f"{path.name} cannot be read: {error}"[:512]
        return Halt(halt_id=halt_id, scope=HaltScope.ALL, reason=reason, source="execution")
    return halt if halt.halt_id == halt_id else halt.model_copy(update={"halt_id": halt_id, "scope": HaltScope.ALL})
