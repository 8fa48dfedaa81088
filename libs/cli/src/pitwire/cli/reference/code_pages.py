"""Denial codes, reasons, errors and metrics, as pages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Final

from pitwire.cli.reference import markdown as md
from pitwire.cli.reference.domain_errors import TROUBLES, spelled
from pitwire.cli.reference.meanings import ANOMALIES, NOT_SENT, VENUE_ERRORS
from pitwire.cli.verify.invariants import INVARIANTS
from pitwire.common import errors
from pitwire.common.enums import NotSentReason
from pitwire.common.errors import PitwireError
from pitwire.common.order_transitions import AnomalyCode
from pitwire.common.refusals import REFUSALS, Refusal
from pitwire.execution.adapters.binance.errors import CLASS_OF_CODE, CLASS_OF_STATUS, CLASS_OF_TEXT, ErrorClass

PACKAGES_WITH_ERRORS: Final = (
    "pitwire.common",
    "pitwire.market_data",
    "pitwire.strategy",
    "pitwire.risk_gate",
    "pitwire.execution",
    "pitwire.persistence",
    "pitwire.backtest",
    "pitwire.cli",
)
NOT_IMPORTED: Final = ("__main__", ".migrations.")


def denial_codes_page() -> str:
    """Why the gate denies, and why execution does not send."""
    denials = [[md.code(code.value), kind.__name__, kind.meaning()] for code, kind in REFUSALS.items()]
    groups = [[group.__name__, group.meaning(), _codes_below(group)] for group in _groups(Refusal)]
    odd = [
        [md.code(code.value), ANOMALIES.get(code, ""), "yes" if code.pauses_strategy else ""] for code in AnomalyCode
    ]
    not_sent = [[md.code(reason.value), NOT_SENT.get(reason, "")] for reason in NotSentReason]
    return md.page(
        "Denial codes",
        "`pitwire.common.refusals`, `pitwire.common.order_transitions` and `pitwire.cli.reference.meanings`",
        "A *denial* is the gate's: nothing left this machine. A *reject* is the venue's. Each denial names the limit "
        "and the value that was observed.",
        "## What to do",
        md.table(["group", "what it means", "codes"], groups),
        "## The gate denied an intent",
        md.table(["code", "class", "meaning"], denials),
        "## Execution did not send an approved order",
        md.table(["reason", "meaning"], not_sent),
        "## A report told something odd",
        "It was handled as its meaning says, and an alert was raised under the code.",
        md.table(["code", "meaning", "pauses the strategy"], odd),
    )


def _groups(base: type[Refusal]) -> Iterator[type[Refusal]]:
    for kind in base.__subclasses__():
        if kind.__subclasses__():
            yield kind
            yield from _groups(kind)


def _codes_below(group: type[Refusal]) -> str:
    return ", ".join(md.code(code.value) for code, kind in REFUSALS.items() if issubclass(kind, group))


def invariants_page() -> str:
    """What must always hold, and what watches it."""
    rows = [
        [name, found.statement, md.codes(found.checks), md.codes(found.tests)] for name, found in INVARIANTS.items()
    ]
    return md.page(
        "Invariants",
        "`pitwire.cli.verify.invariants`",
        "`pitwire verify` looks from outside: at the journal, PostgreSQL, the venue's own lists and the last "
        "heartbeats. What cannot be seen there is held by tests.",
        md.table(["invariant", "what must hold", "checks of verify", "tests beside them"], rows),
    )


def venue_errors_page() -> str:
    """What each refusal of Binance leads to."""
    classes = [[md.code(kind.value), VENUE_ERRORS[kind]] for kind in ErrorClass]
    codes = [[str(code), md.code(CLASS_OF_CODE[code].value)] for code in sorted(CLASS_OF_CODE, reverse=True)]
    engine = [[text, md.code(kind.value)] for text, kind in CLASS_OF_TEXT]
    statuses = [[str(status), md.code(kind.value)] for status, kind in CLASS_OF_STATUS.items()]
    return md.page(
        "Refusals of Binance",
        "`pitwire.execution.adapters.binance.errors` and `pitwire.cli.reference.meanings`",
        "Every documented code has one class, and a class one consequence. No answer, a status of 5xx, or an answer "
        "that cannot be read says nothing about an order: it is in doubt. Nothing is ever sent again.",
        md.table(["class", "what follows"], classes),
        "## By code",
        md.table(["code", "class"], codes),
        "## By text, for the codes of the matching engine (-1010, -2010)",
        md.table(["text contains", "class"], engine),
        "## By HTTP status, for a code that is not documented",
        md.table(["status", "class"], statuses),
    )


def errors_page() -> str:
    """Every error, its code and what the caller should do."""
    tree = (errors.__doc__ or "").partition("\n\n")[2].rstrip()
    troubles = [
        [trouble.family, trouble.what, ", ".join(md.code(spelled(told)) for told in trouble.told), trouble.note]
        for trouble in TROUBLES
    ]
    rows = [[md.code(error.code), error.__name__, " ".join((error.__doc__ or "").split())] for error in all_errors()]
    return md.page(
        "Errors",
        "`pitwire.common.errors`, the services, the commands, and `pitwire.cli.reference.domain_errors`",
        "Errors are sorted by what the caller should do. Where the business says no, or the market or a venue is in "
        "trouble, that is no exception but a value: a refusal, a status, a quality, a state.",
        f"```\n{tree}\n```",
        "## What can go wrong, and how it is told",
        md.table(["of", "trouble", "told as", "what follows"], troubles),
        "## Every error that is raised",
        md.table(["code", "error", "meaning"], rows),
    )


def all_errors() -> list[type[PitwireError]]:
    """By code; every one that the sources define."""
    for module in _modules_with_errors():
        importlib.import_module(module)
    ours = (error for error in set(_below(PitwireError)) if error.__module__.startswith(PACKAGES_WITH_ERRORS))
    return sorted(ours, key=lambda error: (error.code, error.__name__))


def _below(base: type[PitwireError]) -> Iterator[type[PitwireError]]:
    yield base
    for error in base.__subclasses__():
        yield from _below(error)


def _modules_with_errors() -> list[str]:
    """Every module that may define an error: the page must not depend on what else was imported before."""
    found: list[str] = []
    for name in PACKAGES_WITH_ERRORS:
        package = importlib.import_module(name)
        found += (module.name for module in pkgutil.walk_packages(package.__path__, f"{name}."))
    return sorted(name for name in found if not any(part in f"{name}." for part in NOT_IMPORTED))
