"""What the heartbeats say: which services are ready, and which have fallen silent. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pitwire.common.clock import NS_PER_S
from pitwire.common.schemas.control import Heartbeat

SILENT_AFTER_S: Final = 3
"""Twelve missed heartbeats: the same time after which execution lets nothing new out."""


class Health:
    """The newest heartbeat of each process and when it arrived, by the listener's own monotonic clock."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = tuple(services)
        self._beats: dict[str, tuple[Heartbeat, int]] = {}

    def observe(self, beat: Heartbeat, *, now_ns: int) -> None:
        self._beats[beat.service] = (beat, now_ns)

    def beat_of(self, service: str) -> Heartbeat | None:
        found = self._beats.get(service)
        return found[0] if found else None

    def not_ready(self, *, now_ns: int) -> tuple[str, ...]:
        """The services that are silent or say they are not ready, in their order."""
        return tuple(name for name in self._services if not self._is_ready(name, now_ns))

    def _is_ready(self, service: str, now_ns: int) -> bool:
        found = self._beats.get(service)
        return found is not None and found[0].ready and now_ns - found[1] < SILENT_AFTER_S * NS_PER_S
