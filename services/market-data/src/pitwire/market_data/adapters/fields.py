"""Members of a venue's message, read one by one with their checks: the hot path, so no model is built twice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from pitwire.common.errors import DecodeError

NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?")
"""Plain decimals: no sign, no exponent, no NaN, and few enough digits for every schema."""

TEXT_MAX: Final = 32


class Fields:
    """`place` names the message in every refusal; the value itself is never repeated, for it may be hostile."""

    __slots__ = ("_members", "_place")

    def __init__(self, place: str, members: Mapping[str, Any]) -> None:
        self._place = place
        self._members = members

    def number(self, name: str) -> Decimal:
        """Zero or more; venues write decimals as text."""
        text = self._members.get(name)
        if type(text) is not str or NUMBER.fullmatch(text) is None:
            raise self._refusal(name, "a plain decimal number as text", text)
        return Decimal(text)

    def positive(self, name: str) -> Decimal:
        number = self.number(name)
        if not number:
            raise DecodeError(subject=self._place, reason=f"{name}: is 0, expected more than 0")
        return number

    def count(self, name: str, *, least: int = 0, most: int = 2**63 - 1) -> int:
        """An integer in these bounds; true and false are none."""
        value = self._members.get(name)
        if type(value) is not int or not least <= value <= most:
            raise self._refusal(name, f"an integer from {least} to {most}", value)
        return value

    def flag(self, name: str) -> bool:
        value = self._members.get(name)
        if type(value) is not bool:
            raise self._refusal(name, "true or false", value)
        return value

    def text(self, name: str) -> str:
        value = self._members.get(name)
        if type(value) is not str or not 0 < len(value) <= TEXT_MAX:
            raise self._refusal(name, f"text of 1 to {TEXT_MAX} characters", value)
        return value

    def part(self, name: str) -> Fields:
        """A member that has members of its own."""
        value = self._members.get(name)
        if type(value) is not dict:
            raise self._refusal(name, "an object", value)
        return Fields(f"{self._place} {name}", value)

    def _refusal(self, name: str, expected: str, value: object) -> DecodeError:
        found = "missing" if name not in self._members else f"this {type(value).__name__} cannot be"
        return DecodeError(subject=self._place, reason=f"{name}: {found}, expected {expected}")
