"""One record of a stream on its way to rows: where it stood, what it says, or why nobody can say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, NewType

import orjson

from pitwire.common import subjects
from pitwire.common.ids import partition_of
from pitwire.common.schemas.base import Message, decimal_text

JsonText = NewType("JsonText", str)
"""A JSON document as text, for a json or jsonb column."""

NUL: Final = "\x00"
NUL_SHOWN: Final = "\N{SYMBOL FOR NULL}"

_ACCOUNT_SUBJECTS: Final = (subjects.LEDGER, subjects.EXEC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a stream as it was stored."""

    sequence: int
    subject: str
    schema: str | None
    data: bytes
    ts_ns: int = 0
    pending: int = 0
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What a journal subject says about its records. `problem` names why nothing may stand there."""

    account: str | None
    is_ledger: bool
    problem: str


@dataclass(frozen=True, slots=True)
class Read:
    """An entry and its message; `message` is None where `problem` says why it cannot be folded."""

    entry: Entry
    place: Place
    sha256: str
    message: Message | None
    problem: str

    @property
    def stops(self) -> str | None:
        """The account whose rows cannot go on without this record."""
        return self.place.account if self.problem and not self.place.problem else None


@lru_cache(maxsize=4096)
def place_of(subject: str) -> Place:
    """Ledger and execution subjects belong to one account, and stand in the partition of that account alone."""
    for template in _ACCOUNT_SUBJECTS:
        found = subjects.tokens(template, subject)
        if found is not None:
            account, partition = found["account"], found["partition"]
            wanted = str(partition_of(account))
            wrong = "" if partition == wanted else f"partition {partition}, but {account} is in {wanted}"
            return Place(None if wrong else account, template is subjects.LEDGER, wrong)
    return Place(None, is_ledger=False, problem="")


def storable(text: str) -> str:
    """PostgreSQL holds no NUL in a text; it is shown by its symbol, and the journal copy keeps the original."""
    return text.replace(NUL, NUL_SHOWN) if NUL in text else text


def json_text(values: Mapping[str, str]) -> JsonText:
    """Named texts for a jsonb column."""
    return JsonText(orjson.dumps({storable(name): storable(value) for name, value in values.items()}).decode())


def decimals_text(amounts: Iterable[tuple[str, Decimal]]) -> JsonText:
    """Amounts by asset for a jsonb column: exact, as text."""
    return JsonText(orjson.dumps({asset: decimal_text(amount) for asset, amount in amounts}).decode())
