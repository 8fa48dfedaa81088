"""Errors, sorted by what the caller should do.

Raised:

PitwireError
|- UsageError              the operator or the configuration is wrong: say what, where, and stop
|  |- ConfigError          a setting: unknown key, wrong unit, negative limit
|  |  |- InvalidParameter  a strategy's parameters: name, value, what was expected
|  |  `- StrategyNotMade   a strategy that cannot be found, loaded or made
|  |- SymbolNotFound       the venue lists no such instrument
|  `- InvalidName          a name that cannot stand in a subject
|- DecodeError             the message is bad: quarantine it, count it, go on
|- TransientError          the outside failed and repeating is safe: retry with backoff, bounded
|  |- BusUnavailable       the bus did not answer
|  |- StoreUnavailable     the database did not answer
|  `- VenueTrouble         the venue did not answer usefully: ask again; an order never
|     |- ConnectionLost    the connection broke or cannot be had
|     |- AnswerTimeout     no answer in time
|     `- RateLimited       too much was asked: wait as long as it says
|- OutcomeUnknown          the outside may or may not have acted: never repeat, ask what happened
|- LostRace                another writer won the compare-and-set: read back and go on from there
|- AppendRefused           the stream said no (full, not allowed): nothing was stored
|- StreamLost              acknowledged records are gone: stop, recover as a first start does, which finds out the rest
`- InvariantBroken         our own promise broke: stop, recover as a first start does

Returned, never raised: the gate's no to an intent (`pitwire.common.refusals`), published as `Denied`:

Refusal
|- InvalidOrder            the order or its address is wrong: repeating it is useless
|- AskAgain                nothing is wrong with the order: something is late or not there yet
|- Stopped                 a person or a limit stopped trading here: only a reduction or a resume helps
|- RiskRefusal             a risk limit: wait until there is room, or ask for less
|  `- LimitExceeded        with the limit and what was observed
`- NotCovered              the money or the holding is not there: ask for no more than what is free
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class PitwireError(Exception):
    """Base of every error that Pitwire raises on purpose; `code` is stable and listed in the reference."""

    code: ClassVar[str] = "PITWIRE"


class UsageError(PitwireError):
    """The person or file that asked must be corrected; nothing was done."""

    code = "USAGE"


class ConfigError(UsageError):
    """A setting is missing, unknown or impossible."""

    code = "CONFIG"

    def __init__(self, *, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what


class Mistake(NamedTuple):
    """One wrong parameter; `name` is empty where several do not fit together."""

    name: str
    value: object
    expected: str

    @property
    def text(self) -> str:
        return f"{self.name} is {self.value!r}, expected {self.expected}" if self.name else self.expected


class InvalidParameter(ConfigError):
    """Parameters of a strategy are unknown, missing or out of range."""

    code = "INVALID_PARAMETER"

    def __init__(self, *, where: str, mistakes: Sequence[Mistake]) -> None:
        super().__init__(where=where, what="; ".join(mistake.text for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class StrategyNotMade(ConfigError):
    """A strategy cannot be found, loaded or made; its file and what it raised stand in the message."""

    code = "STRATEGY_NOT_MADE"


class SymbolNotFound(UsageError):
    """The venue does not list what is configured."""

    code = "SYMBOL_NOT_FOUND"

    def __init__(self, *, venue: str, symbols: tuple[str, ...], listed: int, place: str) -> None:
        super().__init__(
            f"venues.{venue}.instruments: {', '.join(symbols)} cannot be had at {place}; "
            f"the venue lists {listed} symbols"
        )
        self.venue = venue
        self.symbols = symbols
        self.listed = listed


class InvalidName(UsageError):
    """A name that cannot stand as one token of a subject."""

    code = "INVALID_NAME"

    def __init__(self, *, what: str, value: str) -> None:
        super().__init__(f"{what} {value!r} must be 1 to 32 of A-Z a-z 0-9 _ -")
        self.what = what
        self.value = value


class DecodeError(PitwireError):
    """A message that no schema accepts. It is quarantined with its subject, sequence and reason."""

    code = "DECODE"

    def __init__(self, *, subject: str, reason: str, schema: str | None = None) -> None:
        super().__init__(f"{subject}: {reason}" + (f" (schema {schema})" if schema else ""))
        self.subject = subject
        self.reason = reason
        self.schema = schema


class TransientError(PitwireError):
    """The outside world failed and asking again is safe."""

    code = "TRANSIENT"


class BusUnavailable(TransientError):
    """The bus did not answer in time or is not connected."""

    code = "BUS_UNAVAILABLE"


class StoreUnavailable(TransientError):
    """The database did not answer in time or refused the connection."""

    code = "STORE_UNAVAILABLE"


class VenueTrouble(TransientError):
    """The venue did not answer, or not usefully; a read may be asked again, a submit never."""

    code = "VENUE_TROUBLE"


class ConnectionLost(VenueTrouble):
    """The connection broke or cannot be had; what was asked on it and not answered is in doubt."""

    code = "CONNECTION_LOST"

    def __init__(self, *, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


class AnswerTimeout(VenueTrouble):
    """No answer in time; what was asked is in doubt."""

    code = "ANSWER_TIMEOUT"

    def __init__(self, *, place: str, after_s: float) -> None:
        super().__init__(f"{place}: no answer in {after_s:.0f} s")
        self.place = place
        self.after_s = after_s


class RateLimited(VenueTrouble):
    """Too much was asked. Nothing is sent before `wait_s` seconds have passed."""

    code = "RATE_LIMITED"

    def __init__(self, *, place: str, wait_s: float) -> None:
        super().__init__(f"{place}: rate limited for another {wait_s:.1f} s")
        self.place = place
        self.wait_s = wait_s


class OutcomeUnknown(PitwireError):
    """A request left and its effect is not known. Read back; never repeat blindly."""

    code = "OUTCOME_UNKNOWN"


class LostRace(PitwireError):
    """Another writer appended first."""

    code = "LOST_RACE"


class AppendRefused(PitwireError):
    """The stream refused the record for another reason than the compare-and-set; nothing was stored."""

    code = "APPEND_REFUSED"


class StreamLost(PitwireError):
    """A stream ends before what was read from it, or was made anew: acknowledged records are gone."""

    code = "STREAM_LOST"


class InvariantBroken(PitwireError):
    """Something that cannot be was seen. The process stops and recovers from its journal."""

    code = "INVARIANT_BROKEN"
