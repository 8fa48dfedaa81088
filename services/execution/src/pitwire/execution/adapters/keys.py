"""The key of a venue account, from a file that nobody else may read. It is never printed, logged or pickled."""

from __future__ import annotations

import stat
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

import orjson
from typing_extensions import override

from pitwire.common.errors import ConfigError

API_KEY: Final = "api_key"
API_SECRET: Final = "api_secret"  # noqa: S105 - the name of the field
PRIVATE_KEY_FILE: Final = "private_key_file"
NAMES: Final = (API_KEY, API_SECRET, PRIVATE_KEY_FILE)
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
    """One account's key: `api_key` names it, `secret` signs. A private one is Ed25519, in PEM."""

    __slots__ = ("api_key", "is_private", "secret")

    def __init__(self, api_key: str, secret: Secret, *, is_private: bool = False) -> None:
        self.api_key = api_key
        self.secret = secret
        self.is_private = is_private

    @override
    def __repr__(self) -> str:
        return f"ApiKey({self.api_key[:4]}...)"


def load_key(path: Path, *, where: str) -> ApiKey:
    """Reads `{"api_key": ..., "api_secret": ...}`; `ConfigError` names `where` in the configuration and the file.

    With `private_key_file` instead of the secret the key is the Ed25519 one in that PEM file, meant from the folder of
    the first. A file that its group or others may touch is refused: whoever reads it trades.
    """
    try:
        raw = orjson.loads(_read_private(path, where))
    except orjson.JSONDecodeError:
        raise ConfigError(where=where, what=f"{path} is not JSON") from None
    texts = {name: raw.get(name) for name in NAMES} if isinstance(raw, dict) else {}
    given = {name: text for name, text in texts.items() if isinstance(text, str) and text}
    if set(given) not in ({API_KEY, API_SECRET}, {API_KEY, PRIVATE_KEY_FILE}):
        what = f'{path} must be {{"api_key": "...", "api_secret": "..."}}, or with "private_key_file" for Ed25519'
        raise ConfigError(where=where, what=what)
    if not all(text.isascii() and text.isprintable() for text in given.values()):
        raise ConfigError(where=where, what=f"{path}: keys are printable ASCII")
    if API_SECRET in given:
        return ApiKey(given[API_KEY], Secret(given[API_SECRET]))
    pem_path = path.parent / given[PRIVATE_KEY_FILE]
    pem = _read_private(pem_path, where).decode("ascii", "replace")
    try:
        signing_with(pem)
    except ValueError as error:
        raise ConfigError(where=where, what=f"{pem_path}: {error}") from None
    return ApiKey(given[API_KEY], Secret(pem), is_private=True)


def signing_with(pem: str) -> Callable[[bytes], bytes]:
    """What signs with an Ed25519 key in PEM; `ValueError` says what the text is not."""
    signing: Callable[[bytes], bytes] = import_module("pitwire.execution.adapters.ed25519").signing_with(pem)
    return signing


def _read_private(path: Path, where: str) -> bytes:
    """What stands in a file that only its owner may touch."""
    try:
        mode = path.stat().st_mode
        if mode & OTHERS:
            what = f"{path} has mode {stat.S_IMODE(mode):04o}, readable by others; run: chmod 600 {path}"
            raise ConfigError(where=where, what=what)
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX)
    except OSError as error:
        raise ConfigError(where=where, what=f"{path} cannot be read: {error.strerror}") from None
