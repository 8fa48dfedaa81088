"""The venue's API keys on disk: made on first start, readable by their owner only."""

import os
from collections.abc import Callable
from pathlib import Path

import orjson

KEYS_NAME = "keys.json"
FIELDS = ("api_key", "account")
PROOFS = ("api_secret", "public_key")


class KeysError(Exception):
    """A keys file cannot be used; the text says which and why."""


def load_keys(folder: Path, given: Path | None, *, account: str, new_secret: Callable[[], str]) -> list[dict[str, str]]:
    """Keys from the file given, else from the data folder, where a first pair is made when there is none.

    Raises:
        KeysError: the file is not a list of objects with api_key, account, and one of api_secret and public_key.
    """
    path = given or folder / KEYS_NAME
    if given is None and not path.exists():
        pair = {"api_key": new_secret(), "api_secret": new_secret(), "account": account}
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps([pair], option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    try:
        keys = orjson.loads(path.read_bytes())
    except OSError as problem:
        raise KeysError(f"{path}: cannot be read: {problem.strerror}") from None
    except orjson.JSONDecodeError as problem:
        raise KeysError(f"{path}, line {problem.lineno}: not JSON: {problem.msg}") from None
    if not isinstance(keys, list) or not keys or not all(map(_is_key, keys)):
        raise KeysError(
            f"{path}: needs a list of objects with {', '.join(FIELDS)} and one of {', '.join(PROOFS)}, "
            "each a non-empty text"
        )
    if len({key["api_key"] for key in keys}) != len(keys):
        raise KeysError(f"{path}: an api_key is there twice")
    return keys


def _is_key(key: object) -> bool:
    if not isinstance(key, dict):
        return False
    given = [name for name in (*FIELDS, *PROOFS) if isinstance(key.get(name), str) and key[name]]
    return len(given) == len(FIELDS) + 1 and set(FIELDS) < set(given)
