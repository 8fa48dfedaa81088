"""The arguments of operator commands: which there are, and what their text means."""

from __future__ import annotations

from typing import Final

from pitwire.common.enums import CommandVerb
from pitwire.common.errors import UsageError
from pitwire.common.schemas.limits import AccountLimits

ORDER_ARGS: Final = ("instrument_id", "side", "quantity", "order_type", "limit_price", "stop_price", "time_in_force")
SCOPE_ARGS: Final = ("strategy", "instrument_id")


class Refused(UsageError):
    """The command asks for something that cannot be; nothing was done."""

    code = "COMMAND_REFUSED"


def args_of(verb: CommandVerb) -> set[str]:
    """The arguments a verb takes; any other would silently widen what is meant, so it is refused."""
    if verb is CommandVerb.LIMITS:
        return set(AccountLimits.model_fields) - {"limits_version"}
    args: dict[CommandVerb, set[str]] = {
        CommandVerb.RESUME: {"halts"},
        CommandVerb.PAUSE: {"strategy", "paused"},
        CommandVerb.ORDER: {*ORDER_ARGS, "reduce_only", "strategy"},
        CommandVerb.CANCEL: {*SCOPE_ARGS, "client_order_id"},
        CommandVerb.FLATTEN: set(SCOPE_ARGS),
        CommandVerb.CAPITAL: {"asset", "amount", "venue_account"},
    }
    return args[verb]


def flag(text: str) -> bool:
    """`true` or `false`; `Refused` for any other word."""
    if text not in ("true", "false"):
        raise Refused(f"{text!r} is neither true nor false")
    return text == "true"


def limit_value(name: str, text: str) -> object:
    """Lists come separated by commas, counts as digits, money and percentages as they are.

    Raises:
        Refused: a count that is no whole number.
    """
    if name in ("instruments_allowed", "instruments_restricted", "strategies_allowed"):
        return tuple(part for part in text.split(",") if part)
    if name in ("open_positions_max", "mark_age_max_ms", "orders_per_minute_max"):
        if not text.isdigit():
            raise Refused(f"{name} {text!r} is not a whole number")
        return int(text)
    return text
