"""Many parameter sets of one strategy on one instrument, compiled: the engine's runs, trade by trade, without it."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np

from pitwire.backtest.core.assembly import UNBOUND
from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.engine import Run
from pitwire.backtest.core.fills import FillModel
from pitwire.backtest.core.kernel import DOUBTFUL, Integers, Terms, simulate
from pitwire.backtest.core.trades import Trade
from pitwire.common.enums import Side
from pitwire.common.money import ONE, ZERO, basis_points_of, ceil_to, difference, floor_to, product, ratio, total
from pitwire.strategy.core.arrays import ArrayForm, Floats

DECIMALS_MAX: Final = 10
COLUMNS_BYTES_MAX: Final = 512 * 2**20
"""Indicator columns kept for other parameter sets; the oldest go first."""

INT_MAX: Final = 2**62


class FastPath:
    """The candles of one job made ready once. Any number of parameter sets may follow."""

    def __init__(self, candles: Candles, model: FillModel, capital: Decimal) -> None:
        """`ValueError` where a price has more digits than whole ticks can hold."""
        self._candles = candles
        self._model = model
        self._capital = capital
        self._columns: dict[Hashable, tuple[Floats, ...]] = {}
        self._closes = np.frombuffer(candles.close, dtype=np.float64)
        self._prices, self._unit = self._in_units()
        count = len(candles)
        self._scratch = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64)

    def simulate(self, form: ArrayForm) -> tuple[Integers, Integers, Integers, int] | None:
        """Row, signed lots and reason of every fill, and the number of orders; None where only the engine can tell."""
        columns = tuple(column for source in form.sources for column in self._column(source))
        count, orders = simulate(
            form.seek, columns, form.numbers, form.memory, form.history, self._prices, self._terms(), self._scratch
        )
        if count == DOUBTFUL:
            return None
        rows, lots, reasons = (each[:count] for each in self._scratch)
        return rows, lots, reasons, orders

    def run(self, form: ArrayForm, strategy: str) -> Run | None:
        """What `Engine.run` gives, or None where only the engine can tell. `wanted` stays empty."""
        found = self.simulate(form)
        return None if found is None else self._booked(form, strategy, *found)

    # -- made ready ----------------------------------------------------------------------------------------------

    def _column(self, source: Any) -> tuple[Floats, ...]:
        found = self._columns.get(source)
        if found is None:
            found = self._columns[source] = source(self._closes)
            self._make_room()
        return found

    def _make_room(self) -> None:
        size = sum(each.nbytes for found in self._columns.values() for each in found)
        while size > COLUMNS_BYTES_MAX and len(self._columns) > 1:
            oldest = next(iter(self._columns))
            size -= sum(each.nbytes for each in self._columns.pop(oldest))

    def _in_units(self) -> tuple[Integers, Decimal]:
        """What each order made on a candle is sized at, pays and gets, in whole units; and the unit."""
        candles = self._candles
        opens = np.frombuffer(candles.open, dtype=np.float64)
        unit = Decimal(1).scaleb(-max(_decimals(opens, candles), _decimals(self._closes, candles)))
        unit = min(unit, candles.instrument.tick_size)
        close, opened = (_whole(each, unit) for each in (self._closes, opens))
        buy = sell = np.append(opened[1:], opened[-1:])
        if self._model.spread_bps or self._model.slippage_bps:
            buy, sell = (
                np.array([int(ratio(self._price(row, side), unit)) for row in self._next_rows()], dtype=np.int64)
                for side in (Side.BUY, Side.SELL)
            )
        return np.ascontiguousarray(np.stack([close, buy, sell], axis=1)), unit

    def _next_rows(self) -> Sequence[int]:
        last = len(self._candles) - 1
        return [*range(1, last + 1), last]

    def _price(self, row: int, side: Side) -> Decimal:
        """What a market order pays or gets in the candle `row`."""
        return self._model.taker_price(
            self._candles.number("open", row),
            side=side,
            quantity=ONE,
            volume=1.0,
            tick_size=self._candles.instrument.tick_size,
        )

    def _terms(self) -> Terms:
        instrument, model = self._candles.instrument, self._model
        one = product(self._unit, instrument.lot_size)
        fees = model.taker_bps, model.maker_bps, instrument.taker_fee_bps
        return Terms(
            capital=float(self._capital),
            unit=float(one),
            fee=float(model.taker_bps.scaleb(-4)),
            fee_max=float(max(fees).scaleb(-4)),
            value_max=float(product(self._capital, UNBOUND)),
            lots_min=int(
                ratio(
                    ceil_to(max(instrument.min_quantity, instrument.lot_size), instrument.lot_size), instrument.lot_size
                )
            ),
            lots_max=_steps(instrument.max_quantity, instrument.lot_size),
            units_min=int(ratio(ceil_to(instrument.min_notional, one), one)),
            units_max=_steps(instrument.max_notional, one),
            close_min=int(self._prices[:, 0].min()),
        )

    # -- booked --------------------------------------------------------------------------------------------------

    def _booked(
        self, form: ArrayForm, strategy: str, rows: Integers, lots: Integers, reasons: Integers, orders: int
    ) -> Run:
        """The run with exact books."""
        candles, lot = self._candles, self._candles.instrument.lot_size
        run = Run(candles.open_ns, array("d"), bars=len(candles), intents=orders)
        cash, cost, held = self._capital, ZERO, ZERO
        equity = np.full(len(candles), float(cash))
        ends = [*rows.tolist(), len(candles)][1:]
        for row, signed, reason, until in zip(rows.tolist(), lots.tolist(), reasons.tolist(), ends, strict=True):
            side = Side.BUY if signed > 0 else Side.SELL
            quantity, price = product(Decimal(abs(signed)), lot), self._price(row, side)
            notional = product(quantity, price)
            fee = basis_points_of(notional, self._model.taker_bps)
            paid = notional if signed > 0 else notional.copy_negate()
            cash = difference(cash, total(paid, fee))
            realised = ZERO if signed > 0 else difference(notional, cost)
            cost, held = (notional, quantity) if signed > 0 else (ZERO, ZERO)
            run.trades.append(
                Trade(
                    ts_ns=candles.open_ns[row],
                    row=row,
                    instrument_id=candles.name,
                    strategy=strategy,
                    side=side,
                    quantity=quantity,
                    price=price,
                    fee=fee,
                    is_maker=False,
                    realised_pnl=realised,
                    position=held,
                    reason=form.reasons[reason],
                )
            )
            if held:
                equity[row:until] = float(cash) + float(held) * self._closes[row:until]
                run.exposed += until - row
            else:
                equity[row:until] = float(cash)
        run.equity.frombytes(equity.tobytes())
        return run


def _steps(bound: Decimal | None, step: Decimal) -> int:
    return INT_MAX if bound is None else min(int(ratio(floor_to(bound, step), step)), INT_MAX)


def _decimals(values: Floats, candles: Candles) -> int:
    """How many decimals every one of them has at most."""
    for decimals in () if candles.exact else range(DECIMALS_MAX + 1):
        scale = 10.0**decimals
        if np.all(np.rint(values * scale) / scale == values) and np.abs(values).max() * scale < 2.0**51:
            return decimals
    msg = f"prices of {candles.name} have more than {DECIMALS_MAX} decimals"
    raise ValueError(msg)


def _whole(values: Floats, unit: Decimal) -> Integers:
    return np.rint(values * float(1 / unit)).astype(np.int64)
