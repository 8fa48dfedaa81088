"""Errors, sorted by what the caller should do.

PitwireError
|- UsageError              the operator or the configuration is wrong: say what, where, and stop
|  |- ConfigError          a setting: unknown key, wrong unit, negative limit
|  `- InvalidName          a name that cannot stand in a subject
|- DecodeError             the message is bad: quarantine it, count it, go on
|- TransientError          the outside failed and repeating is safe: retry with backoff, bounded
|  |- BusUnavailable       the bus did not answer
|  `- StoreUnavailable     the database did not answer
|- OutcomeUnknown          the outside may or may not have acted: never repeat, ask what happened
|- LostRace                another writer won the compare-and-set: read back and go on from there
|- AppendRefused           the stream said no (full, not allowed): nothing was stored
`- InvariantBroken         our own promise broke: stop, recover as a first start does
"""

from __future__ import annotations

from typing import ClassVar


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


class OutcomeUnknown(PitwireError):
    """A request left and its effect is not known. Read back; never repeat blindly."""

    code = "OUTCOME_UNKNOWN"


class LostRace(PitwireError):
    """Another writer appended first."""

    code = "LOST_RACE"


class AppendRefused(PitwireError):
    """The stream refused the record for another reason than the compare-and-set; nothing was stored."""

    code = "APPEND_REFUSED"


class InvariantBroken(PitwireError):
    """Something that cannot be was seen. The process stops and recovers from its journal."""

    code = "INVARIANT_BROKEN"
