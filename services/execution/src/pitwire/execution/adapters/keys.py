"""The key of a venue account, from a file that nobody else may read. It is never printed, logged or pickled."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final, NoReturn

import orjson
from typing_extensions import override

from pitwire.common.errors import ConfigError

FILE_BYTES_MAX: Final = 65_536
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Secret:
    """Text that shows itself only to `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    @override
    def __repr__(self) -> str:
        return "Secret(***)"

    @override
    def __reduce__(self) -> NoReturn:
        msg = "a secret is not pickled"
        raise TypeError(msg)


class ApiKey:
    """One account's key: `api_key` names it, `secret` signs."""

    __slots__ = ("api_key", "secret")

    def __init__(self, api_key: str, secret: Secret) -> None:
        self.api_key = api_key
        self.secret = secret

    @override
    def __repr__(self) -> str:
        return f"ApiKey({self.api_key[:4]}...)"


def load_key(path: Path, *, where: str) -> ApiKey:
    """Reads `{"api_key": ..., "api_secret": ...}`; `ConfigError` names `where` in the configuration and the file.

    A file that its group or others may touch is refused: whoever reads it trades.
    """
    try:
        mode = path.stat().st_mode
        if mode & OTHERS:
            what = f"{path} has mode {stat.S_IMODE(mode):04o}, readable by others; run: chmod 600 {path}"
            raise ConfigError(where=where, what=what)
        with path.open("rb") as file:
            raw = orjson.loads(file.read(FILE_BYTES_MAX))
    except OSError as error:
        raise ConfigError(where=where, what=f"{path} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError:
        raise ConfigError(where=where, what=f"{path} is not JSON") from None
    names = ("api_key", "api_secret")
    if not isinstance(raw, dict) or not all(isinstance(raw.get(name), str) and raw[name] for name in names):
        raise ConfigError(where=where, what=f'{path} must be {{"api_key": "...", "api_secret": "..."}}')
    if not all(raw[name].isascii() and raw[name].isprintable() for name in names):
        raise ConfigError(where=where, what=f"{path}: keys are printable ASCII")
    return ApiKey(raw["api_key"], Secret(raw["api_secret"]))
