"""Messages made of values that are known to be good."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


def trusted(model: type[M], **fields: Any) -> M:
    """A message whose fields come from checked values, made without checking them again.

    As `model_construct`, which works out the defaults anew for every message and so takes four times as long.
    """
    made = model.__new__(model)
    set_field = object.__setattr__
    set_field(made, "__dict__", {**_fields(model), **fields})
    set_field(made, "__pydantic_fields_set__", set(fields))
    set_field(made, "__pydantic_extra__", None)
    set_field(made, "__pydantic_private__", None)
    return made


@cache
def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Every field in the order of the class, which is the order of its bytes; what has no default must be given."""
    return {name: None if field.is_required() else field.default for name, field in model.model_fields.items()}
