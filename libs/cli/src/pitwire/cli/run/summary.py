"""What a run says about itself: one line a second while it runs, one JSON document when it ends. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pitwire.common.clock import NS_PER_MS

if TYPE_CHECKING:
    from pitwire.cli.run.numbers import Numbers

CENT: Final = Decimal("0.01")


def live_line(numbers: Numbers | None, venue: Mapping[str, Any], waiting: tuple[str, ...]) -> str:
    """Candles, orders, fills, denials, positions, equity, speed reached; what is missing is said, not guessed."""
    parts: list[str] = []
    if numbers is None:
        parts.append("database not reached")
    else:
        parts.append(f"candles {numbers.candles}")
        parts.append(f"orders {numbers.orders}  fills {numbers.fills}  denials {numbers.denials}")
        held = "  ".join(f"{instrument} {_short(quantity)}" for instrument, quantity in numbers.positions.items())
        parts.append(f"positions {held or 'none'}")
        parts.append(f"equity {money(numbers.equity)}")
    if venue:
        ended = ", the recording has ended" if venue.get("ended") else ""
        parts.append(f"speed {float(venue['speed_reached']):.0f} of {float(venue['speed']):g}{ended}")
    if waiting:
        parts.append(f"NOT READY: {', '.join(waiting)}")
    return " | ".join(parts)


def summary_document(
    numbers: Numbers | None,
    venue: Mapping[str, Any],
    verified: Mapping[str, Any] | None,
    *,
    seconds: float,
    restarts: int,
) -> dict[str, Any]:
    """The last line of `pitwire up --for`. Without a database the figures are null, never zero."""
    return {
        "candles": numbers.candles if numbers else None,
        "orders": numbers.orders if numbers else None,
        "fills": numbers.fills if numbers else None,
        "denials": numbers.denials if numbers else None,
        "equity": numbers.equity if numbers else None,
        "strategies": {name: part.document() for name, part in numbers.strategies.items()} if numbers else {},
        "speed": venue.get("speed"),
        "speed_reached": venue.get("speed_reached"),
        "market_ended": venue.get("ended"),
        "restarts": restarts,
        "verify": verified,
        "seconds": round(seconds, 3),
    }


class SpeedMeter:
    """Market seconds per second of wall time since the market was let go."""

    def __init__(self, *, market_ms: int, now_ns: int) -> None:
        self._market_ms = market_ms
        self._began_ns = now_ns

    def reached(self, *, market_ms: int, now_ns: int) -> float:
        elapsed_ns = now_ns - self._began_ns
        return round((market_ms - self._market_ms) * NS_PER_MS / elapsed_ns, 2) if elapsed_ns > 0 else 0.0


def money(value: Decimal | None) -> str:
    """Two decimals and thousands; `unknown` for no figure."""
    return "unknown" if value is None else format(value.quantize(CENT), ",f")


def _short(value: Decimal) -> str:
    return format(value.normalize(), "f")
