"""Members of a venue's message, read one by one with their checks: the hot path, so no model is built twice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from pitwire.common.books import ZERO_MOST, Level
from pitwire.common.errors import DecodeError

NUMBER: Final = re.compile(r"(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?")
"""Plain decimals: no sign, no exponent, no NaN, no leading zeros, and few enough digits for every schema."""

TEXT_MAX: Final = 32


LEVEL_DIGITS: Final = b"0123456789"
SHAPES_MAX: Final = 10_000


def is_plain(text: object) -> bool:
    """A plain decimal as text."""
    return type(text) is str and NUMBER.fullmatch(text) is not None


def shape_of(raw: bytes) -> bytes:
    """A frame without its digits and without levels that are two decimals with a point: what is left is its form.

    Two frames of one form differ in numbers only, so what was found of one holds for the other, but for numbers that
    begin or end with their point and for their length.
    """
    return raw.translate(None, LEVEL_DIGITS).replace(b'[".","."],', b"").replace(b'[".","."]', b"")


class Shapes:
    """Forms of frames whose levels were checked one by one: the next frame of that form need not be.

    Checking every level of a busy book costs more than parsing it; this costs a few copies of the frame.
    """

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def are_sound(self, raw: bytes) -> bool:
        """Every level of the frame is two plain decimals, proved by a frame before it."""
        return b'".' not in raw and b'."' not in raw and shape_of(raw) in self._known

    def add(self, raw: bytes) -> None:
        """Its levels were checked."""
        if len(self._known) < SHAPES_MAX:
            self._known.add(shape_of(raw))


class Fields:
    """`place` names the message in every refusal; the value itself is never repeated, for it may be hostile."""

    __slots__ = ("_members", "_place")

    def __init__(self, place: str, members: Mapping[str, Any]) -> None:
        self._place = place
        self._members = members

    def has(self, name: str) -> bool:
        return name in self._members

    def number_text(self, name: str) -> str:
        """Zero or more; venues write decimals as text, and as text they go on."""
        text = self._members.get(name)
        if type(text) is not str or NUMBER.fullmatch(text) is None:
            raise self._refusal(name, "a plain decimal number as text", text)
        return text

    def positive_text(self, name: str) -> str:
        text = self.number_text(name)
        if text <= ZERO_MOST:
            raise DecodeError(subject=self._place, reason=f"{name}: is 0, expected more than 0")
        return text

    def number(self, name: str) -> Decimal:
        return Decimal(self.number_text(name))

    def positive(self, name: str) -> Decimal:
        return Decimal(self.positive_text(name))

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

    def levels(self, name: str, *, are_sound: bool = False) -> Sequence[Level]:
        """Price and quantity pairs; with `are_sound` known to be ones."""
        rows = self._members.get(name)
        if type(rows) is not list:
            raise self._refusal(name, "a list of levels", rows)
        if not are_sound:
            for row in rows:
                if type(row) is not list or len(row) != 2 or not (is_plain(row[0]) and is_plain(row[1])):
                    raise self._refusal(name, "levels of price and quantity as plain decimals", row)
                if row[0] <= ZERO_MOST:
                    raise self._refusal(name, "prices of more than 0", row)
        return rows

    def _refusal(self, name: str, expected: str, value: object) -> DecodeError:
        found = "missing" if name not in self._members else f"this {type(value).__name__} cannot be"
        return DecodeError(subject=self._place, reason=f"{name}: {found}, expected {expected}")
