"""Where the running system is: the file that `pitwire up` leaves for the other commands, or the environment."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pitwire.common.errors import ConfigError, TransientError

CURRENT: Final = "current.json"
LOCK: Final = "lock"
DATA_DIR: Final = Path(".pitwire")


class NotRunning(TransientError):
    """No running system was found; the message says how to start one or how to name one."""

    code = "NOT_RUNNING"


@dataclass(frozen=True, slots=True)
class VenueAddress:
    """Where the simulated venue answers."""

    http: str
    ws: str
    ws_api: str
    control: str


@dataclass(frozen=True, slots=True)
class Running:
    """Everything another process needs to look at or operate a running system. It holds a password: mode 0600."""

    nats_url: str
    database_url: str
    operator_seed: Path | None
    config: Path
    run: Path | None = None
    pid: int = 0
    started_ns: int = 0
    market: str = ""
    speed: float = 0.0
    venue: VenueAddress | None = None
    health: Mapping[str, str] = field(default_factory=dict[str, str])
    pids: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def logs(self) -> Path | None:
        return self.run / "logs" if self.run else None


def write_current(data_dir: Path, running: Running) -> None:
    """Leaves the file, readable by its owner alone; a reader sees the old one or the new one, never a half."""
    path = data_dir / CURRENT
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(running), file, default=str, indent=1)
    fresh.replace(path)


def remove_current(data_dir: Path) -> None:
    """Takes the file away: nothing runs here any more."""
    (data_dir / CURRENT).unlink(missing_ok=True)


def find_running(data_dir: Path = DATA_DIR, environ: Mapping[str, str] | None = None) -> Running:
    """The system to talk to. Addresses in the environment win over what `pitwire up` left in `data_dir`."""
    environ = os.environ if environ is None else environ
    left = _read_current(data_dir)
    nats_url, database_url = environ.get("PITWIRE_NATS_URL", ""), environ.get("PITWIRE_DATABASE_URL", "")
    if left is not None:
        return replace(left, nats_url=nats_url or left.nats_url, database_url=database_url or left.database_url)
    if not nats_url and not database_url:
        raise NotRunning(
            f"nothing runs here ({data_dir / CURRENT} is not there); start it with `make run` or `pitwire up`, or name "
            "a system with PITWIRE_NATS_URL, PITWIRE_NATS_SEED_FILE and PITWIRE_DATABASE_URL"
        )
    seed = environ.get("PITWIRE_NATS_SEED_FILE", "")
    config = Path(environ.get("PITWIRE_CONFIG", "pitwire.toml"))
    return Running(nats_url, database_url, Path(seed) if seed else None, config)


def _read_current(data_dir: Path) -> Running | None:
    """What `up` left, if that `up` still lives: it holds the lock of its data folder for as long."""
    try:
        raw: dict[str, Any] = json.loads((data_dir / CURRENT).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, json.JSONDecodeError) as error:
        raise ConfigError(where=str(data_dir / CURRENT), what=f"cannot be read: {error}") from None
    if not is_locked(data_dir):
        return None
    venue = raw.pop("venue")
    for key in ("operator_seed", "config", "run"):
        raw[key] = Path(raw[key]) if raw[key] else None
    return Running(**raw, venue=VenueAddress(**venue) if venue else None)


def is_locked(data_dir: Path) -> bool:
    """Whether a live `pitwire up` owns the data folder."""
    try:
        with (data_dir / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
