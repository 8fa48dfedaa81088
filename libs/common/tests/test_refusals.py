"""Refusals and errors: what is drawn is what there is, and a class cannot be made without its numbers."""

from __future__ import annotations

import inspect
import re
from decimal import Decimal
from typing import Any

import pytest

from pitwire.common import errors
from pitwire.common.enums import DenialCode
from pitwire.common.errors import PitwireError
from pitwire.common.refusals import REFUSALS, LimitExceeded, NotCovered, Refusal

TREE_LINE = re.compile(r"^[|` -]*(\w+) {2,}\S", re.MULTILINE)
COMPARES = [kind for kind in REFUSALS.values() if issubclass(kind, LimitExceeded | NotCovered)]


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = set(TREE_LINE.findall(errors.__doc__ or ""))
    raised = {name for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, PitwireError)}
    groups = {kind.__name__ for leaf in REFUSALS.values() for kind in leaf.__mro__[1:] if issubclass(kind, Refusal)}
    assert drawn | {"PitwireError", "Refusal"} == raised | groups


def test_every_denial_code_has_one_class_and_a_meaning() -> None:
    assert set(REFUSALS) == set(DenialCode)
    assert all(kind.meaning().endswith((".", "?")) for kind in REFUSALS.values())
    assert len({kind.meaning() for kind in REFUSALS.values()}) == len(REFUSALS)


@pytest.mark.parametrize("kind", COMPARES)
def test_what_compares_two_figures_cannot_be_made_without_them(kind: Any) -> None:
    with pytest.raises(TypeError, match="limit"):
        kind("too much")
    made: Refusal = kind("too much", Decimal(5), Decimal(6))
    assert (made.code, made.limit, made.observed) == (kind.code, Decimal(5), Decimal(6))


def test_the_limits_of_risk_are_among_them() -> None:
    names = {"PositionSizeExceeded", "DailyLossExceeded", "DrawdownExceeded", "OpenPositionsExceeded"}
    assert names < {kind.__name__ for kind in COMPARES}
