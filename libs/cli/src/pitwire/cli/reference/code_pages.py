"""Denial codes, reasons, errors and metrics, as pages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Final

from pitwire.cli.reference import markdown as md
from pitwire.cli.reference.meanings import DENIALS, NOT_SENT
from pitwire.common import errors
from pitwire.common.enums import DenialCode, NotSentReason
from pitwire.common.errors import PitwireError

PACKAGES_WITH_ERRORS: Final = ("pitwire.common", "pitwire.cli")


def denial_codes_page() -> str:
    """Why the gate denies, and why execution does not send."""
    denials = [[md.code(code.value), DENIALS.get(code, "")] for code in DenialCode]
    not_sent = [[md.code(reason.value), NOT_SENT.get(reason, "")] for reason in NotSentReason]
    return md.page(
        "Denial codes",
        "`pitwire.common.enums` and `pitwire.cli.reference.meanings`",
        "A *denial* is the gate's: nothing left this machine. A *reject* is the venue's. Each denial names the limit "
        "and the value that was observed.",
        "## The gate denied an intent",
        md.table(["code", "meaning"], denials),
        "## Execution did not send an approved order",
        md.table(["reason", "meaning"], not_sent),
    )


def errors_page() -> str:
    """Every error, its code and what the caller should do."""
    for module in _modules_with_errors():
        importlib.import_module(module)
    tree = (errors.__doc__ or "").partition("\n\n")[2].rstrip()
    rows = [
        [md.code(error.code), error.__name__, " ".join((error.__doc__ or "").split())]
        for error in sorted(set(_all_errors(PitwireError)), key=lambda error: error.code)
        if error.__module__.startswith(PACKAGES_WITH_ERRORS)
    ]
    return md.page(
        "Errors",
        "`pitwire.common.errors` and the commands",
        "Errors are sorted by what the caller should do.",
        f"```\n{tree}\n```",
        md.table(["code", "error", "meaning"], rows),
    )


def _all_errors(base: type[PitwireError]) -> Iterator[type[PitwireError]]:
    yield base
    for error in base.__subclasses__():
        yield from _all_errors(error)


def _modules_with_errors() -> list[str]:
    """Every module that may define an error: the page must not depend on what else was imported before."""
    found: list[str] = []
    for name in PACKAGES_WITH_ERRORS:
        package = importlib.import_module(name)
        found += (module.name for module in pkgutil.walk_packages(package.__path__, f"{name}."))
    return sorted(name for name in found if not name.endswith("__main__"))
