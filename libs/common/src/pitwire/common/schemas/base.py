"""What every message has in common: frozen, Decimal as text, integers for time, unknown fields tolerated."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

DIGITS_MAX: Final = 40
EXPONENT_MAX: Final = 24


def _decimal_text(value: Any) -> Any:
    if isinstance(value, bool | float | int):
        msg = 'write decimals as text, for example "0.01"'
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns ValueError into a message with the field's place
    return value


def _bounded(value: Decimal) -> Decimal:
    if not value.is_finite():
        msg = "NaN and Infinity are not numbers here"
        raise ValueError(msg)
    _, digits, exponent = value.as_tuple()
    if len(digits) > DIGITS_MAX or not isinstance(exponent, int) or abs(exponent) > EXPONENT_MAX:
        msg = f"at most {DIGITS_MAX} digits and exponents within ±{EXPONENT_MAX}"
        raise ValueError(msg)
    return value


def decimal_text(value: Decimal) -> str:
    """The one spelling of a Decimal on the wire: plain notation, never an exponent, never minus zero."""
    return format(value, "f") if value else "0"


Number = Annotated[
    Decimal, BeforeValidator(_decimal_text), AfterValidator(_bounded), PlainSerializer(decimal_text, when_used="json")
]
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
