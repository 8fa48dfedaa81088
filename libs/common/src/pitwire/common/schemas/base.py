"""What every message has in common: frozen, Decimal as text, integers for time, unknown fields tolerated."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

DIGITS_MAX: Final = 40
EXPONENT_MAX: Final = 24


NUMBERS_CACHED_MAX: Final = 16_384
NUMBER_TEXT_MAX: Final = 2 * DIGITS_MAX
"""Characters of what is worth keeping: sign, point, digits and zeros of any number that fits."""


@lru_cache(maxsize=NUMBERS_CACHED_MAX)
def _read(text: str) -> Decimal | None:
    """The number that `text` spells, where it is one of ours; None is answered with a reason elsewhere."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and _fits(value) else None


def _fits(value: Decimal) -> bool:
    _, digits, exponent = value.as_tuple()
    return len(digits) <= DIGITS_MAX and isinstance(exponent, int) and abs(exponent) <= EXPONENT_MAX


def _number(value: Any, check: ValidatorFunctionWrapHandler) -> Decimal:
    """The same few prices and quantities come again and again: what was read once is not read again."""
    if type(value) is str and len(value) <= NUMBER_TEXT_MAX:
        found = _read(value)
        if found is not None:
            return found
    elif type(value) is Decimal and _read(str(value)) is not None:
        return value
    if isinstance(value, bool | float | int):
        msg = 'write decimals as text, for example "0.01"'
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns ValueError into a message with the field's place
    number: Decimal = check(value)
    if not _fits(number):
        msg = f"at most {DIGITS_MAX} digits and exponents within ±{EXPONENT_MAX}"
        raise ValueError(msg)
    return number


def decimal_text(value: Decimal) -> str:
    """The one spelling of a Decimal on the wire: plain notation, never an exponent, never minus zero."""
    return format(value, "f") if value else "0"


Number = Annotated[Decimal, WrapValidator(_number), PlainSerializer(decimal_text, when_used="json")]
"""Any finite Decimal; text on the wire."""

Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
"""One token of a subject: an account, a strategy, a venue, an operator."""

Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,16}-[A-Z0-9]{1,16}$")]
InstrumentRef = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,16}-[A-Z0-9]{1,16}\.[A-Za-z0-9_-]{1,32}$")]
"""`instrument_id` = SYMBOL.VENUE, for example BTC-USDT.sim."""

Asset = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,16}$")]
Text = Annotated[str, StringConstraints(max_length=512)]
OrderRef = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/-]{1,36}$")]
"""A client order id: ours are letters and digits, other people's at the venue may have any of these."""

RecordRef = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,36}$")]
"""The id of a halt, a command or an alert: it can stand in a subject."""

INTEGER_MAX: Final = 2**63 - 1
"""What PostgreSQL and every reader can hold."""

TimeNs = Annotated[int, Field(ge=0, le=INTEGER_MAX, strict=True)]
Count = Annotated[int, Field(ge=0, le=INTEGER_MAX, strict=True)]
Ordinal = Annotated[int, Field(ge=1, le=INTEGER_MAX, strict=True)]


class Value(BaseModel):
    """A frozen part of a message."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Message(Value):
    """A frozen message. Within one `schema_major` fields are only added; an incompatible shape takes the next."""

    schema_major: ClassVar[int] = 1

    @classmethod
    def schema_name(cls) -> str:
        """What stands in the `Schema` header: `OrderIntent/1`."""
        return f"{cls.__name__}/{cls.schema_major}"
