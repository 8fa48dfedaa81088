"""One booked trade, and the memory of which trades were booked: each exactly once, whatever path brought it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from pitwire.common.enums import Liquidity, Side
from pitwire.common.instruments import assets_of
from pitwire.common.money import canonical, difference, product
from pitwire.common.schemas.execution import ExecReport

TRADES_KEPT: Final = 5_000
"""Trades of one account that are remembered one by one; older ones with numeric ids by a floor per instrument."""


@dataclass(frozen=True, slots=True)
class Fill:
    """What one trade moved. A reversal (bust, or the first half of a correction) moves it back."""

    account: str
    strategy: str
    client_order_id: str
    venue: str
    venue_account: str
    instrument_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    trade_id: str
    ts_event_ns: int
    liquidity: Liquidity | None = None
    is_reversal: bool = False

    @property
    def key(self) -> str:
        return f"{self.venue}|{self.venue_account}|{self.instrument_id}|{self.trade_id}"

    @property
    def signed_quantity(self) -> Decimal:
        """Base currency that the trade itself moves, before any fee."""
        return self.quantity if (self.side is Side.BUY) is not self.is_reversal else self.quantity.copy_negate()

    @property
    def signed_fee(self) -> Decimal:
        """What was paid; negative for a rebate and for the reversal of a fee."""
        return self.fee.copy_negate() if self.is_reversal else self.fee

    @property
    def notional(self) -> Decimal:
        """Price x quantity, in quote currency."""
        return product(self.quantity, self.price)

    @property
    def net_value(self) -> Decimal:
        """What quote currency gained or lost by it: received less paid, with the fee only where it is in quote."""
        flow = product(self.signed_quantity, self.price).copy_negate()
        in_quote = self.fee_currency == assets_of(self.instrument_id)[1]
        return difference(flow, self.signed_fee) if in_quote else flow

    def reversed(self, *, ts_event_ns: int) -> Fill:
        return replace(self, is_reversal=True, ts_event_ns=ts_event_ns)


def trade_id_of(report: ExecReport) -> str:
    """The venue's trade id; its exec id, or order and cumulative quantity, where a venue names no trade."""
    return report.trade_id or report.exec_id or f"{report.client_order_id}@{canonical(report.cum_quantity)}"


def trade_key(report: ExecReport) -> str:
    """What a trade is booked once by."""
    return f"{report.venue}|{report.venue_account}|{report.instrument_id}|{trade_id_of(report)}"


def fill_of(report: ExecReport, *, strategy: str = "") -> Fill:
    """The trade a report tells, with the venue's own fee figure; a fee without currency is taken to be in quote.

    It belongs to `strategy`, the owner of its order, or where that is not known to the strategy the report names.
    """
    return Fill(
        account=report.account,
        strategy=strategy or report.strategy,
        client_order_id=report.client_order_id,
        venue=report.venue,
        venue_account=report.venue_account,
        instrument_id=report.instrument_id,
        side=report.side,
        quantity=report.last_quantity,
        price=report.last_price,
        fee=report.fee,
        fee_currency=report.fee_currency or assets_of(report.instrument_id)[1],
        trade_id=trade_id_of(report),
        ts_event_ns=report.ts_event_ns,
        liquidity=report.liquidity,
    )


class BookedTrades:
    """Which trades are booked, per (venue, venue account, instrument, trade id); bounded.

    The newest `TRADES_KEPT` are kept whole, so that a bust can be reversed. Of older ones only the highest numeric id
    per instrument is kept: an unseen trade at or below it cannot be told from a repetition and is refused loudly.
    """

    __slots__ = ("_floors", "_kept", "_trades")

    def __init__(self, kept: int = TRADES_KEPT) -> None:
        self._kept = kept
        self._trades: dict[str, Fill | None] = {}
        self._floors: dict[str, int] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._trades

    def is_too_old(self, key: str) -> bool:
        """True where the trade may have been booked and forgotten: nobody can say, so a person must."""
        if not self._floors:
            return False
        place, _, trade_id = key.rpartition("|")
        return trade_id.isascii() and trade_id.isdigit() and int(trade_id) <= self._floors.get(place, -1)

    def find(self, key: str) -> Fill | None:
        """The fill as booked last; None where unknown or busted."""
        return self._trades.get(key)

    def put(self, fill: Fill) -> None:
        """Remembers a booking; a reversal leaves the id known, so that the busted trade cannot come back."""
        key = fill.key
        self._trades[key] = None if fill.is_reversal else fill
        if len(self._trades) > self._kept:
            oldest = next(iter(self._trades))
            del self._trades[oldest]
            place, _, trade_id = oldest.rpartition("|")
            if trade_id.isascii() and trade_id.isdigit():
                self._floors[place] = max(int(trade_id), self._floors.get(place, -1))

    def snapshot(self) -> dict[str, Any]:
        return {
            "trades": {key: None if fill is None else _row(fill) for key, fill in self._trades.items()},
            "floors": dict(self._floors),
        }

    @classmethod
    def restore(cls, data: dict[str, Any], kept: int = TRADES_KEPT) -> BookedTrades:
        trades = cls(kept)
        for key, row in data["trades"].items():
            trades._trades[key] = None if row is None else _fill(row)
        trades._floors.update(data["floors"])
        return trades


def _row(fill: Fill) -> list[Any]:
    numbers = [canonical(fill.quantity), canonical(fill.price), canonical(fill.fee)]
    names = [fill.account, fill.strategy, fill.client_order_id, fill.venue, fill.venue_account, fill.instrument_id]
    return [*names, fill.side.value, *numbers, fill.fee_currency, fill.trade_id, fill.ts_event_ns, fill.liquidity]


def _fill(row: list[Any]) -> Fill:
    account, strategy, client_order_id, venue, venue_account, instrument_id = row[:6]
    side, quantity, price, fee, fee_currency, trade_id, ts_event_ns, liquidity = row[6:]
    return Fill(
        account,
        strategy,
        client_order_id,
        venue,
        venue_account,
        instrument_id,
        Side(side),
        Decimal(quantity),
        Decimal(price),
        Decimal(fee),
        fee_currency,
        trade_id,
        ts_event_ns,
        Liquidity(liquidity) if liquidity else None,
    )
