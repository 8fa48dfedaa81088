"""What a strategy may be told and answer, and the shipped ones with every parameter."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from enum import Enum
from typing import Final, get_type_hints

from pitwire.cli.reference import markdown as md
from pitwire.cli.reference.settings_pages import default_text, field_type
from pitwire.strategy.core import api
from pitwire.strategy.core.api import Cancel, Hold, Order, Params, Target
from pitwire.strategy.strategies import SHIPPED

ANSWERS: Final = (Hold, Target, Order, Cancel)


def strategies_page() -> str:
    """The interface in the words of its module, the answers, and one section for each shipped strategy."""
    answers = [[md.code(_call(kind)), _text(kind)] for kind in ANSWERS]
    return md.page(
        "Strategies",
        "`pitwire.strategy.core.api` and `pitwire.strategy.strategies`",
        _events(),
        "## Answers",
        md.table(["answer", "meaning"], answers),
        *(_shipped(name, kind) for name, kind in SHIPPED.items()),
    )


def params_of(kind: type) -> type[Params]:
    """The model of a shipped strategy's parameters: the type of its first argument."""
    declared: type[Params] = get_type_hints(inspect.getattr_static(kind, "__init__"))["params"]
    return declared


def _events() -> str:
    """The docstring of the interface; its indented lines are code."""
    parts = (inspect.getdoc(api) or "").split("\n\n")
    return "\n\n".join(f"```\n{inspect.cleandoc(part)}\n```" if part.startswith("    ") else part for part in parts)


def _call(kind: type[Hold | Target | Order | Cancel]) -> str:
    """How one is made: what must be said, then what may be."""
    words: list[str] = []
    for field in fields(kind):
        default = field.default.value if isinstance(field.default, Enum) else field.default
        made = "{}" if field.default_factory is not MISSING else repr(default) if default is None else f"{default}"
        optional = field.default is not MISSING or field.default_factory is not MISSING
        words.append(f"{field.name}={made or repr('')}" if optional else field.name)
    return f"{kind.__name__}({', '.join(words)})"


def _shipped(name: str, kind: type) -> str:
    params = params_of(kind)
    rows = [[md.code(key), field_type(field), default_text(field)] for key, field in params.model_fields.items()]
    text = f"## {name}\n\n{inspect.getdoc(kind)}\n\n{_text(params)}"
    return text + "\n\n" + md.table(["parameter", "type", "default"], rows)


def _text(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())
