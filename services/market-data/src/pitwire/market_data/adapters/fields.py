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

DIGITS: Final = b"0123456789"
LEVEL: Final = b'[".","."]'
LEADING_ZERO: Final = re.compile(rb'"0[0-9]')
TOO_LONG: Final = re.compile(rb"[0-9]{19}")
"""More digits in a row than a fraction may have: what has so many is looked at level by level."""

KINDS_MAX: Final = 10_000
FORMS_MAX: Final = 10_000
FORM_BYTES_MAX: Final = 4_096
"""Forms of so many bytes are kept, so many of them at most: what is longer is rare, and made anew."""


def is_plain(text: object) -> bool:
    """A plain decimal as text."""
    return type(text) is str and NUMBER.fullmatch(text) is not None


def are_plain(pattern: re.Pattern[str], texts: tuple[Any, ...]) -> bool:
    """All of these are plain decimals: `pattern` is `plain_texts` of as many."""
    try:
        return pattern.fullmatch(" ".join(texts)) is not None
    except TypeError:
        return False


def plain_texts(count: int) -> re.Pattern[str]:
    """So many plain decimals with one space between: a text that holds a space makes it too many."""
    return re.compile(" ".join([f"(?:{NUMBER.pattern})"] * count))


class Forms:
    """What frames of one kind look like without their digits: two frames of one form differ in numbers only.

    Checking every level of a busy book costs more than parsing it; comparing its form costs one copy of the frame, and
    looking for the few shapes of digits that are no plain decimal little more. So what was checked of one frame holds
    for the next one.
    """

    def __init__(self) -> None:
        self._learned: dict[str, tuple[bytes, bytes, bytes]] = {}
        self._made: dict[tuple[str, int, int], bytes] = {}

    def are_sound(self, kind: str, raw: bytes, first: int, second: int) -> bool:
        """Every level of the frame, so many in its first list and its second, is two plain decimals with a point."""
        form = self._made.get((kind, first, second)) or self._make(kind, first, second)
        if raw.translate(None, DIGITS) != form or b'".' in raw or b'."' in raw:
            return False
        return LEADING_ZERO.search(raw) is None and TOO_LONG.search(raw) is None

    def learn(self, kind: str, raw: bytes) -> None:
        """Its levels were checked one by one."""
        form = raw.translate(None, DIGITS).replace(LEVEL + b",", b"").replace(LEVEL, b"")
        parts = form.split(b"[]")
        if len(parts) == 3 and len(self._learned) < KINDS_MAX:
            self._learned[kind] = parts[0], parts[1], parts[2]

    def _make(self, kind: str, first: int, second: int) -> bytes:
        """The form of frames with so many levels; empty where nothing was learned of their kind."""
        if kind not in self._learned:
            return b""
        head, middle, tail = self._learned[kind]
        one, other = (b"[%b]" % b",".join([LEVEL] * count) for count in (first, second))
        made = b"".join((head, one, middle, other, tail))
        if len(self._made) < FORMS_MAX and len(made) <= FORM_BYTES_MAX:
            self._made[kind, first, second] = made
        return made


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

    def levels(self, name: str) -> Sequence[Level]:
        """Price and quantity pairs."""
        rows = self._members.get(name)
        if type(rows) is not list:
            raise self._refusal(name, "a list of levels", rows)
        for row in rows:
            if type(row) is not list or len(row) != 2 or not (is_plain(row[0]) and is_plain(row[1])):
                raise self._refusal(name, "levels of price and quantity as plain decimals", row)
            if row[0] <= ZERO_MOST:
                raise self._refusal(name, "prices of more than 0", row)
        return rows

    def _refusal(self, name: str, expected: str, value: object) -> DecodeError:
        found = "missing" if name not in self._members else f"this {type(value).__name__} cannot be"
        return DecodeError(subject=self._place, reason=f"{name}: {found}, expected {expected}")
