"""Draws `docs/pictures/crash-2024-08-05.svg`: both shipped strategies on the recorded crash of 5 August 2024.

`pitwire backtest` on one-minute candles of BTC and ETH: the runner, gate and books that trade live, in virtual time,
each strategy alone with the capital, parameters and limits of the shipped configuration.

    python benchmarks/crash_picture.py --data <folder with BTCUSDT_1m_*.csv.gz and ETHUSDT_1m_*.csv.gz>
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
BEGIN, SHOWN, END = (datetime(2024, 8, day, hour, tzinfo=UTC) for day, hour in ((4, 3), (4, 6), (6, 0)))
"""The recording played, of which the first 400 minutes warm up, and from where on it is drawn."""

SYMBOLS: Final = {"BTC-USDT.sim": "BTCUSDT", "ETH-USDT.sim": "ETHUSDT"}
CAPITAL: Final = 20_000.0
"""Of each strategy, by the shipped configuration."""

COLOURS: Final = {"momentum": "#1f6fb2", "mean_reversion": "#c4641a"}
WIDTH, LEFT, RIGHT, TOP, PANEL, GAP = 1_200, 70, 50, 64, 210, 62
FIRST: Final = int((SHOWN - BEGIN).total_seconds() // 60)
DRAWN_EVERY: Final = 2
"""Minutes between two points of a line."""


@dataclass(frozen=True)
class Trade:
    """One fill; `minute` counts from the begin of the picture."""

    minute: int
    strategy: str
    instrument_id: str
    signed: float
    price: float
    fee: float


def slices(source: Path, folder: Path) -> dict[str, dict[int, float]]:
    """Writes the recordings of the days shown into `folder`; returns closes by minute."""
    first, last = (int(moment.timestamp() * 1000) for moment in (BEGIN, END))
    closes: dict[str, dict[int, float]] = {}
    for instrument, symbol in SYMBOLS.items():
        path = next(iter(sorted(source.glob(f"{symbol}_1m_*.csv.gz"))), None)
        if path is None:
            sys.exit(f"{source}: no {symbol}_1m_*.csv.gz there; name its folder with --data")
        with gzip.open(path, "rt", encoding="ascii", newline="") as file:
            header, *rows = list(csv.reader(file))
        rows = [row for row in rows if first <= int(row[0]) < last]
        with (folder / f"{symbol}_1m.csv").open("w", encoding="ascii", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        close = header.index("close")
        closes[instrument] = {(int(row[0]) - first) // 60_000: float(row[close]) for row in rows}
    return closes


def traded(folder: Path) -> list[Trade]:
    """The fills of one backtest per strategy, each alone in an account with its shipped capital and limits."""
    shipped = (ROOT / "pitwire.toml").read_text(encoding="utf-8")
    config = folder / "pitwire.toml"
    config.write_text(re.sub(r'capital = \{ USDT = "\d+" \}', f'capital = {{ USDT = "{CAPITAL:.0f}" }}', shipped))
    data = [f"--data={name}={folder / symbol}_1m.csv" for name, symbol in SYMBOLS.items()]
    found: list[Trade] = []
    for strategy in COLOURS:
        words = ["backtest", "--strategy", strategy, "--account", "main", "--config", str(config), *data, "-o", "json"]
        done = subprocess.run(
            [sys.executable, "-m", "pitwire.cli", *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        found += [_trade(strategy, row) for row in json.loads(done.stdout)["trades"]]
    return found


def _trade(strategy: str, row: dict[str, Any]) -> Trade:
    minute = (row["ts_ns"] // 1_000_000_000 - int(BEGIN.timestamp())) // 60
    signed = float(row["quantity"]) * (1 if row["side"] == "BUY" else -1)
    return Trade(minute, strategy, row["instrument_id"], signed, float(row["price"]), float(row["fee"]))


def equity_lines(trades: list[Trade], closes: dict[str, dict[int, float]]) -> dict[str, list[tuple[int, float]]]:
    """Profit of each strategy in percent of its capital, minute by minute, at the closes; fees are in it."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for strategy in COLOURS:
        cash, held, price, line = 0.0, dict.fromkeys(closes, 0.0), dict.fromkeys(closes, 0.0), []
        own = [trade for trade in trades if trade.strategy == strategy]
        for minute in sorted(closes[next(iter(closes))]):
            while own and own[0].minute <= minute:
                trade = own.pop(0)
                cash -= trade.signed * trade.price + trade.fee
                held[trade.instrument_id] += trade.signed
            price |= {name: closes[name].get(minute, price[name]) for name in closes}
            worth = cash + sum(held[name] * price[name] for name in closes)
            line.append((minute, 100 * worth / CAPITAL))
        lines[strategy] = line
    return lines


class Panel:
    """One part of the picture: minutes to the right, values upwards."""

    def __init__(self, number: int, title: str, values: list[float], minutes: int) -> None:
        self.top = TOP + number * (PANEL + GAP)
        self.title = title
        room = (max(values) - min(values)) * 0.08 or 1.0
        self.low, self.high, self.minutes = min(values) - room, max(values) + room, minutes

    def x(self, minute: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (minute - FIRST) / (self.minutes - FIRST)

    def y(self, value: float) -> float:
        return self.top + PANEL * (self.high - value) / (self.high - self.low)

    def frame(self, form: str) -> Iterator[str]:
        yield f'<text x="{LEFT}" y="{self.top - 10}" class="title">{self.title}</text>'
        rough = (self.high - self.low) / 4
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough)
        for at in range(math.ceil(self.low / step), math.floor(self.high / step) + 1):
            value = at * step
            y = self.y(value)
            yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" class="value">{value:{form}}</text>'
        for minute in range(FIRST, self.minutes + 1, 360):
            moment = datetime.fromtimestamp(BEGIN.timestamp() + minute * 60, UTC)
            x = self.x(minute)
            yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self.top}" y2="{self.top + PANEL}" class="grid"/>'
            yield f'<text x="{x:.1f}" y="{self.top + PANEL + 16}" class="time">{moment:%d %b %H:%M}</text>'

    def line(self, points: list[tuple[int, float]], colour: str, width: float) -> str:
        drawn = [point for point in points if point[0] >= FIRST and point[0] % DRAWN_EVERY == 0]
        path = " ".join(f"{self.x(minute):.1f},{self.y(value):.1f}" for minute, value in drawn)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'

    def mark(self, trade: Trade) -> str:
        """A filled triangle upwards for a buy, a hollow one downwards for a sale."""
        x, y, buys = self.x(trade.minute), self.y(trade.price), trade.signed > 0
        reach = 7 if buys else -7
        fill = COLOURS[trade.strategy] if buys else "white"
        corners = f"{x:.1f},{y:.1f} {x - 5:.1f},{y + 1.6 * reach:.1f} {x + 5:.1f},{y + 1.6 * reach:.1f}"
        return f'<polygon points="{corners}" fill="{fill}" stroke="{COLOURS[trade.strategy]}" stroke-width="1.5"/>'


def picture(trades: list[Trade], closes: dict[str, dict[int, float]]) -> str:
    """The whole SVG."""
    minutes = int((END - BEGIN).total_seconds() // 60)
    parts: list[str] = []
    for number, (instrument, prices) in enumerate(closes.items()):
        shown = [price for minute, price in prices.items() if minute >= FIRST]
        panel = Panel(number, f"{instrument.partition('.')[0]}, closes of one-minute candles", shown, minutes)
        parts += panel.frame(",.0f")
        parts.append(panel.line(sorted(prices.items()), "#555", 1))
        parts += [panel.mark(trade) for trade in trades if trade.instrument_id == instrument]
    lines = equity_lines(trades, closes)
    values = [value for line in lines.values() for _, value in line]
    panel = Panel(len(closes), "profit of each strategy in percent of its capital, after fees", values, minutes)
    parts += panel.frame("+.1f")
    parts += [panel.line(line, COLOURS[strategy], 1.6) for strategy, line in lines.items()]
    parts += [
        f'<text x="{LEFT + 240 * at}" y="24" style="fill:{colour}" class="title">'
        f"{strategy}: &#9650; buys, &#9661; sells</text>"
        for at, (strategy, colour) in enumerate(COLOURS.items())
    ]
    height = panel.top + PANEL + 30
    style = ".grid{stroke:#ddd}.title{font-weight:bold}.value{text-anchor:end}.time{text-anchor:middle}"
    frame = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12"'
    paper = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {frame}><style>{style}</style>{paper}'
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def main() -> None:
    """Runs, draws, and prints one JSON line about what was traded."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures" / "crash-2024-08-05.svg")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pitwire-crash-") as name:
        folder = Path(name)
        closes = slices(asked.data, folder)
        trades = traded(folder)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(picture(trades, closes), encoding="utf-8")
    summary = {
        strategy: {
            "fills": sum(trade.strategy == strategy for trade in trades),
            "profit_percent": round(line[-1][1], 2),
            "lowest_percent": round(min(value for _, value in line), 2),
        }
        for strategy, line in equity_lines(trades, closes).items()
    }
    print(json.dumps({"picture": asked.out.name, "strategies": summary}))


if __name__ == "__main__":
    main()
