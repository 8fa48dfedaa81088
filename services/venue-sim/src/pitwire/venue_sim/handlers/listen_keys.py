"""listenKeys: how user data streams were opened until 2026-02-20, for clients that know nothing else (opt-in)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pitwire.venue_sim.core.errors import VenueError

LIFE_MS = 60 * 60_000
KEYS_MAX = 1000
"""Living keys of the whole venue."""


@dataclass(slots=True)
class _Opened:
    account_id: str
    until_ms: int


@dataclass(slots=True, kw_only=True)
class ListenKeys:
    """The living listenKeys; each names the stream of one account for an hour after it was last asked for."""

    new_secret: Callable[[], str]
    _opened: dict[str, _Opened] = field(default_factory=dict[str, _Opened])

    def open(self, account_id: str, *, now_ms: int) -> str:
        """The key of an account: the one it has, living on, or a new one.

        Raises:
            VenueError: -1015 when there are too many.
        """
        self._expire(now_ms)
        for key, opened in self._opened.items():
            if opened.account_id == account_id:
                opened.until_ms = now_ms + LIFE_MS
                return key
        if len(self._opened) >= KEYS_MAX:
            raise VenueError(-1015, f"Too many listenKeys; current limit is {KEYS_MAX}.", status=429)
        key = self.new_secret()
        self._opened[key] = _Opened(account_id, now_ms + LIFE_MS)
        return key

    def keep(self, key: str, *, now_ms: int) -> None:
        """Let a key live for another hour; -1125 when there is none."""
        self._expire(now_ms)
        self._find(key).until_ms = now_ms + LIFE_MS

    def close(self, key: str) -> None:
        """End a key; -1125 when there is none."""
        self._find(key)
        del self._opened[key]

    def keys_of(self, account_id: str, *, now_ms: int) -> list[str]:
        """The living keys of an account."""
        self._expire(now_ms)
        return [key for key, opened in self._opened.items() if opened.account_id == account_id]

    def _find(self, key: str) -> _Opened:
        opened = self._opened.get(key)
        if opened is None:
            raise VenueError(-1125, "This listenKey does not exist.")
        return opened

    def _expire(self, now_ms: int) -> None:
        for key in [key for key, opened in self._opened.items() if opened.until_ms <= now_ms]:
            del self._opened[key]
