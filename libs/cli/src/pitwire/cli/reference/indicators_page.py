"""Every indicator with its parameters, what it is fed and what it gives."""

from __future__ import annotations

import inspect
from dataclasses import MISSING
from typing import Any, Final, get_type_hints

from pitwire.cli.reference import markdown as md
from pitwire.common import indicators

EMPTY: Final = inspect.Parameter.empty


def indicators_page() -> str:
    """In the words of the package and its classes."""
    kinds: list[Any] = [getattr(indicators, name) for name in indicators.__all__ if name != "SETTLED"]
    streaming = [kind for kind in kinds if hasattr(kind, "update")]
    values = [kind for kind in kinds if not hasattr(kind, "update")]
    return md.page(
        "Indicators",
        "`pitwire.common.indicators`",
        (indicators.__doc__ or "").partition("\n\n")[0],
        (indicators.__doc__ or "").partition("\n\n")[2].strip(),
        md.table(
            ["indicator", "`update` takes", "and gives", "meaning"],
            [[md.code(_made(kind)), _fed(kind), md.code(_given(kind)), _text(kind)] for kind in streaming],
        ),
        "## Values of several parts",
        md.table(
            ["value", "parts", "meaning"],
            [[md.code(kind.__name__), md.codes(kind._fields), _text(kind)] for kind in values],
        ),
        f"`SETTLED` is {indicators.SETTLED}: so many times its length a strategy waits until an indicator's seed "
        "weighs nothing.",
    )


def _made(kind: Any) -> str:
    """The constructor as it is called; a default stands behind its name."""
    parameters = list(inspect.signature(kind).parameters.values())
    words = [each.name if each.default in (EMPTY, MISSING) else f"{each.name}={each.default}" for each in parameters]
    return f"{kind.__name__}({', '.join(words)})"


def _fed(kind: Any) -> str:
    return md.codes(name for name in inspect.signature(kind.update).parameters if name != "self")


def _given(kind: Any) -> str:
    found = get_type_hints(kind.update)["return"]
    names: list[str] = [part.__name__ for part in getattr(found, "__args__", (found,)) if part is not type(None)]
    return names[0]


def _text(kind: Any) -> str:
    return " ".join((kind.__doc__ or "").split())
