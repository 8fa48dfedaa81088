"""The exit codes of every command: stable, documented, the same everywhere."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a program may conclude from how `pitwire` ended."""

    OK = 0
    NO = 1
    USAGE = 2
    UNREACHABLE = 3
    UNANSWERED = 4
    FAILED = 5

    @property
    def meaning(self) -> str:
        return MEANINGS[self]


MEANINGS = {
    ExitCode.OK: "done, and the answer is yes",
    ExitCode.NO: "done, and the answer is no: denied, refused, a check violated, a service not ready",
    ExitCode.USAGE: "the request or the configuration is wrong; nothing was done",
    ExitCode.UNREACHABLE: "nothing runs here, or the bus, the database or the venue cannot be reached",
    ExitCode.UNANSWERED: "it was asked, but no answer came in time: look before asking again",
    ExitCode.FAILED: "Pitwire itself failed: a server or a service could not be kept running",
}
