"""Whether the processes that trade together were configured, built and released together. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pitwire.common.schemas.control import Heartbeat

BUILD: Final = "0.1.0"
"""This release."""

BUILDS_TOGETHER: Final = frozenset({BUILD})
"""The releases whose processes may trade together: this one and the one before it. The first has none before it."""

ORDER_PATH: Final = ("market-data", "strategy", "risk-gate", "execution")
"""An order passes through these; what watches or stores may be updated at its own pace."""


def disagreement(beats: Iterable[Heartbeat]) -> str:
    """Who differs from the others in what; empty when all agree, and when nobody is heard.

    Of two equal parties the one heard second is named. A process that states no hash is not compared.
    """
    heard = [beat for beat in beats if beat.service in ORDER_PATH]
    for what, parties in (
        ("configuration", _parties((beat.config_hash, beat) for beat in heard)),
        ("message schemas", _parties((beat.schema_hash, beat) for beat in heard)),
    ):
        if len(parties) > 1:
            most = max(parties, key=len)
            return f"{_names(beat for party in parties if party is not most for beat in party)}: other {what}"
    strangers = [beat for beat in heard if beat.build and beat.build not in BUILDS_TOGETHER]
    if strangers:
        return f"{_names(strangers)}: a build that was not released together with {BUILD}"
    return ""


def _parties(stated: Iterable[tuple[str, Heartbeat]]) -> list[list[Heartbeat]]:
    found: dict[str, list[Heartbeat]] = {}
    for value, beat in stated:
        if value:
            found.setdefault(value, []).append(beat)
    return list(found.values())


def _names(beats: Iterable[Heartbeat]) -> str:
    return ", ".join(sorted({f"{beat.service} {beat.slot} ({beat.build or 'no build'})" for beat in beats}))
