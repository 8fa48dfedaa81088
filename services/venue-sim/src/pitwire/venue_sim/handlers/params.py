"""Reading request parameters: every value is text, every mistake has Binance's code."""

import re
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.units import DECIMALS

DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
DECIMAL_RANGE = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
INTEGER = re.compile(r"[0-9]{1,18}")
INTEGER_RANGE = "^[0-9]{1,20}$"
CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
CLIENT_ID_RANGE = "^[a-zA-Z0-9-_]{1,36}$"
AMOUNTS_MAX = 100_000
"""Texts of amounts whose meaning is remembered: clients send the same prices and quantities again and again."""
TOO_PRECISE = Decimal("NaN")
SECURITY_NAMES = frozenset({"apiKey", "signature", "timestamp", "recvWindow", "returnRateLimits"})

Choice = TypeVar("Choice", bound=StrEnum)


def missing(name: str) -> VenueError:
    """A parameter that has to be there is not."""
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def not_required(name: str) -> VenueError:
    """A parameter that this request must not have."""
    if name == "timeInForce":
        return VenueError(-1114, "TimeInForce parameter sent when not required.")
    return VenueError(-1106, f"Parameter '{name}' sent when not required.")


def illegal(name: str, legal_range: str) -> VenueError:
    """A parameter with characters that are not allowed."""
    return VenueError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal_range}'.")


@lru_cache(maxsize=AMOUNTS_MAX)
def _amount(text: str) -> Decimal | None:
    """The amount of a text; None where it is none, not a number where it has too many decimals."""
    if DECIMAL.fullmatch(text) is None:
        return None
    return Decimal(text) if len(text.partition(".")[2].rstrip("0")) <= DECIMALS else TOO_PRECISE


class Params:
    """The parameters of one request; it remembers which were read."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self._read: set[str] = set()

    def text(self, name: str) -> str | None:
        """An optional text.

        Raises:
            VenueError: -1105 when it is there but empty.
        """
        value = self.values.get(name)
        if value is None:
            return None
        if not value:
            raise VenueError(-1105, f"Parameter '{name}' was empty.")
        self._read.add(name)
        return value

    def required(self, name: str) -> str:
        """A mandatory text; -1102 when absent."""
        value = self.text(name)
        if value is None:
            raise missing(name)
        return value

    def decimal(self, name: str) -> Decimal | None:
        """An optional amount with at most eight decimals, taken from its text."""
        value = self.text(name)
        if value is None:
            return None
        amount = _amount(value)
        if amount is None:
            raise illegal(name, DECIMAL_RANGE)
        if amount.is_nan():
            raise VenueError(-1111, f"Parameter '{name}' has too much precision.")
        return amount

    def integer(self, name: str) -> int | None:
        """An optional whole number."""
        value = self.text(name)
        if value is None:
            return None
        if INTEGER.fullmatch(value) is None:
            raise illegal(name, INTEGER_RANGE)
        return int(value)

    def limit(self, *, default: int, largest: int) -> int:
        """The parameter `limit`; more than `largest` counts as `largest`."""
        value = self.integer("limit")
        if value is None:
            return default
        if value == 0:
            raise VenueError(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(value, largest)

    def choice(self, name: str, kind: type[Choice], code: int, msg: str) -> Choice | None:
        """An optional word of a closed list; `code` and `msg` refuse any other."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return kind(value)
        except ValueError:
            raise VenueError(code, msg) from None

    def client_id(self, name: str) -> str | None:
        """An optional client order id."""
        value = self.text(name)
        if value is not None and CLIENT_ID.fullmatch(value) is None:
            raise illegal(name, CLIENT_ID_RANGE)
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """An optional true or false."""
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in {"true", "false"}:
            raise VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value.lower() == "true"

    def ignore(self, *names: str) -> None:
        """Parameters that are allowed and change nothing here."""
        self._read.update(names)

    def finish(self) -> None:
        """Refuse a request with parameters that nobody read (-1104)."""
        sent = self.values.keys() - SECURITY_NAMES
        unread = sent - self._read
        if unread:
            raise VenueError(
                -1104,
                f"Not all sent parameters were read; read '{len(sent) - len(unread)}' parameter(s) "
                f"but was sent '{len(sent)}'.",
            )
