"""Event-driven backtests: momentum (EMA 12/26, every cross, 10 % of equity, 10 bps) on one-minute candles made by seed.

One JSON line per figure, in bars per second of CPU time, beside two floors of the same run: a bare Python loop, and the
least that an event loop of Python objects can do (a view per candle, two averages, an answer; nothing decided).
`orders_per_bar` says how much trading there was: each order costs a gate's decision, a match and exact books.

Then the compiled path of sweeps: 500 pairs of averages on 100,000 candles, in two threads, in pair-bars per second of
wall clock, beside the floor of one compiled loop that does the arithmetic of the two averages and nothing else.

    python benchmarks/backtest.py [bars, default 500000] [--quick]
"""

from __future__ import annotations

import gc
import json
import math
import random
import resource
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, Final

import numpy as np

from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.engine import TTL_NS, Engine, Run
from pitwire.backtest.core.fast import FastPath
from pitwire.backtest.core.fills import FillModel
from pitwire.backtest.core.metrics import Benchmark, metrics
from pitwire.common.indicators import Ema
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.schemas.market import Instrument
from pitwire.strategy.core.api import Hold
from pitwire.strategy.core.arrays import Floats, compiled
from pitwire.strategy.core.making import Spec
from pitwire.strategy.strategies.momentum import Momentum, MomentumParams

CAPITAL: Final = Decimal(100_000)
MINUTE_NS: Final = 60_000_000_000
START_NS: Final = 1_704_067_200_000_000_000
ROUNDS: Final = 3
THREADS: Final = 2
EVERY_CROSS: Final = {"fast": 12, "slow": 26, "threshold_percent": 0.0, "cooldown": 0, "size_percent": Decimal(10)}
AS_SHIPPED: Final[dict[str, Any]] = {}


def tell(figure: str, value: float, **more: Any) -> None:
    print(json.dumps({"benchmark": "backtest", "figure": figure, "value": round(value, 2)} | more))


def made(name: str, bars: int) -> Candles:
    """A random walk of two decimals."""
    rng, price = random.Random(name), 50_000.0
    columns = [array("d") for _ in range(5)]
    for _ in range(bars):
        opens, price = round(price, 2), price * math.exp(rng.gauss(0, 0.0008))
        close = round(price, 2)
        high, low = round(max(opens, close) * 1.0002, 2), round(min(opens, close) * 0.9998, 2)
        for column, value in zip(columns, (opens, high, low, close, round(rng.uniform(1, 100), 3)), strict=True):
            column.append(value)
    return candles_of(name, columns)


def candles_of(name: str, columns: Sequence[array[float]]) -> Candles:
    """Open, high, low, close and volume of consecutive minutes."""
    bars = len(columns[0])
    times = array("q", range(START_NS, START_NS + bars * MINUTE_NS, MINUTE_NS))
    base = name.partition("-")[0]
    instrument = Instrument(
        instrument_id=name,
        symbol=f"{base}-USDT",
        venue="sim",
        venue_symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.00001"),
    )
    opens_column, highs, lows, closes, volumes = columns
    return Candles(instrument, "1m", MINUTE_NS, times, opens_column, highs, lows, closes, volumes)


def engine(series: Sequence[Candles], params: dict[str, Any]) -> Engine:
    names = tuple(each.name for each in series)
    limits = AccountLimits(
        order_value_max=CAPITAL,
        position_value_max=CAPITAL,
        open_positions_max=len(series),
        daily_loss_max_percent=Decimal(99),
        drawdown_max_percent=Decimal(99),
        instruments_allowed=names,
    )
    strategy = Momentum(MomentumParams(**params))
    spec = Spec("momentum", "backtest", CAPITAL, names, "1m", TTL_NS)
    return Engine(series, [(spec, strategy)], capital=CAPITAL, limits=limits, model=FillModel())


def best(work: Callable[[], Callable[[], Any]], rounds: int) -> tuple[float, Any]:
    """Least CPU seconds of a fresh piece of work, and what it gave."""
    found, result = float("inf"), None
    for _ in range(rounds):
        ready = work()
        gc.collect()
        started = time.process_time()
        result = ready()
        found = min(found, time.process_time() - started)
    return found, result


def figure(name: str, series: Sequence[Candles], params: dict[str, Any], *, rounds: int, floor: float) -> float:
    bars = sum(len(each) for each in series)
    seconds, run = best(lambda: engine(series, params).run, rounds)
    result: Run = run
    orders = len(result.trades)
    tell(
        name,
        bars / seconds,
        bars=bars,
        orders_per_bar=round(orders / bars, 4),
        of_floor=round(bars / seconds / floor, 3),
    )
    return seconds


def event_floor(series: Candles) -> float:
    """Bars per second of a view, two averages and an answer per candle."""
    fast, slow = Ema(12), Ema(26)

    def on_candle(bar: Any) -> Hold:
        price = bar.close_float
        fast.update(price)
        slow.update(price)
        return Hold("nothing", {})

    def loop() -> None:
        for bar in series.bars():
            on_candle(bar)

    return len(series) / best(lambda: loop, ROUNDS)[0]


@compiled
def least(closes: Floats, fast: int, slow: int) -> float:
    """Both averages and a position, nothing else: what no sweep that computes its averages anew can be faster than."""
    one, two, cash, held = closes[0], closes[0], 1.0, 0.0
    for row in range(1, len(closes)):
        close = closes[row]
        one += 2.0 / (fast + 1) * (close - one)
        two += 2.0 / (slow + 1) * (close - two)
        if held == 0.0 and one > two:
            held, cash = 0.1 * cash / close, 0.9 * cash
        elif held > 0.0 and one < two:
            cash, held = cash + held * close, 0.0
    return cash


def sweep(bars: int) -> None:
    """Figure c, and the same with every figure of every run, as a sweep of one process makes them."""
    series = made("BTC-USDT.sim", bars)
    closes = np.frombuffer(series.close, dtype=np.float64)
    pairs = [(fast, slow) for fast in range(5, 25) for slow in range(26, 51)]
    forms = [Momentum(MomentumParams(**EVERY_CROSS | {"fast": fast, "slow": slow})).arrays() for fast, slow in pairs]
    halves = [FastPath(series, FillModel(), CAPITAL) for _ in range(THREADS)]
    parts = [forms[number::THREADS] for number in range(THREADS)]

    def in_threads(work: Callable[[int], Any]) -> float:
        started = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(THREADS)))
        return len(pairs) * bars / (time.perf_counter() - started)

    def compiled_part(number: int) -> int:
        return sum(len(found[0]) for form in parts[number] if (found := halves[number].simulate(form)) is not None)

    def floor_part(number: int) -> None:
        for fast, slow in pairs[number::THREADS]:
            least(closes, fast, slow)

    least(closes, 2, 3)
    fills = sum(compiled_part(number) for number in range(THREADS))
    for _ in range(ROUNDS):
        floor = in_threads(floor_part)
        found = in_threads(compiled_part)
        tell(
            "c_pair_bars_per_s",
            found,
            fills_per_bar=round(fills / len(pairs) / bars, 4),
            of_floor=round(found / floor, 3),
        )
    market = Benchmark.of(series.open_ns, [series], CAPITAL)
    started = time.process_time()
    for form in forms[:10]:
        run = halves[0].run(form, "momentum")
        assert run is not None
        metrics(run, [series], capital=CAPITAL, benchmark=market)
    tell("c_with_all_figures_pair_bars_per_s", 10 * bars / (time.process_time() - started), processes=1)


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--quick"]
    bars, rounds = int(words[0]) if words else 500_000, 1 if "--quick" in sys.argv else ROUNDS
    one = made("BTC-USDT.sim", bars)
    loop_s, _ = best(lambda: lambda: sum(range(0)) or ([None for _ in range(bars)] and None), ROUNDS)
    tell("floor_plain_loop_per_s", bars / loop_s)
    floor = event_floor(one)
    tell("floor_events_per_s", floor)
    figure("a_bars_per_s", [one], EVERY_CROSS, rounds=rounds, floor=floor)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tell("a_peak_memory_mb", peak_mb, bars=bars)
    figure("a_as_shipped_bars_per_s", [one], AS_SHIPPED, rounds=rounds, floor=floor)
    five = [made(f"C{number}-USDT.sim", bars // 5) for number in range(5)]
    figure("b_bars_per_s", five, EVERY_CROSS, rounds=rounds, floor=floor)
    small = bars // 16
    seconds = [
        figure(f"scaling_{times}x_bars_per_s", [one.until(small * times)], EVERY_CROSS, rounds=rounds, floor=floor)
        for times in (1, 4, 16)
    ]
    tell("scaling_cost_16x", seconds[2] / seconds[0], exactly_linear=16.0)
    sweep(bars // 5)


if __name__ == "__main__":
    main()
