"""What the venue is started with: the command line, read and checked once."""

import argparse
import ipaddress
import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NoReturn

from pitwire.venue_sim.config_file import ConfigFile, ConfigFileError
from pitwire.venue_sim.core.instruments import Instrument
from pitwire.venue_sim.core.limits import Limits
from pitwire.venue_sim.core.live import LiveUrls
from pitwire.venue_sim.core.state import Fees

PORT_MAX = 65_535
SPEED_MAX = 100_000.0
HISTORY_MAX = 100_000
BPS = Decimal("0.0001")
BPS_MAX = Decimal(1000)
LATENCY_MS_MAX = 60_000
ORDERS_PER_10S = 100
ORDERS_PER_10S_MAX = 1_000_000
DEFAULT_QUOTE_BALANCE = Decimal(100_000)
GENERATED = "generated"
LIVE = "live:binance"
PUBLIC_URLS = {"rest": "https://data-api.binance.vision", "ws": "wss://data-stream.binance.vision"}
"""Binance's own hosts for public market data."""
LOOPBACK = "127.0.0.1"
DEFAULT_SEED = 7
"""A seed whose first hour has trends and overshoots on both symbols, so that a short demo sees every strategy act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one venue. `market` None is the generated one, unless there is a `live` one to follow."""

    host: str
    port: int
    control_port: int
    market: Path | None
    live: LiveUrls | None
    speed: float
    seed: int
    history: int
    data_dir: Path
    keys: Path | None
    balances: dict[str, Decimal]
    fees: Fees
    limits: Limits
    orders_max: int
    paused: bool
    name: str
    offset_bps: Decimal
    latency_ms: int
    instruments: dict[str, Instrument]
    legacy_listen_key: bool
    faults: list[dict[str, object]]


class _Parser(argparse.ArgumentParser):
    """Names the configuration file in front of what is wrong with it."""

    file: Path | None = None

    def error(self, message: str) -> NoReturn:  # type: ignore[explicit-override]  # typing.override needs 3.12
        super().error(message if self.file is None else f"{self.file}: {message}")


def parse(arguments: list[str]) -> Config:
    """The settings of a command line; a mistake prints what is wrong and exits with 2."""
    parser = _Parser(
        prog="python -m pitwire.venue_sim", description="A Binance-compatible simulated spot venue on localhost."
    )
    _add_options(parser)
    given = parser.parse_args(arguments)
    instruments: dict[str, Instrument] = {}
    live: dict[str, str] = {}
    if given.config is not None:
        try:
            file = ConfigFile(given.config)
        except ConfigFileError as problem:
            parser.error(str(problem))
        written = [*file.arguments, *(part for balance in file.balances for part in ("--balance", balance))]
        parser.file = given.config
        parser.parse_args(["--port", "0", *written])
        parser.file = None
        instruments, live = file.instruments, file.live
        given = parser.parse_args([*(file.arguments if given.balance else written), *arguments])
    _check_live(parser, given)
    balances: dict[str, Decimal] = {}
    for asset, amount in given.balance:
        if asset in balances:
            parser.error(f"argument --balance: {asset} is given twice")
        balances[asset] = amount
    orders_per_10s = given.orders_per_10s or min(ORDERS_PER_10S_MAX, int(ORDERS_PER_10S * max(1.0, given.speed)))
    return Config(
        host=given.host,
        port=given.port,
        control_port=given.control_port,
        market=None if given.market in {GENERATED, LIVE} else Path(given.market),
        live=LiveUrls(**(PUBLIC_URLS | live)) if given.market == LIVE else None,
        speed=given.speed,
        seed=given.seed,
        history=given.history,
        data_dir=given.data_dir,
        keys=given.keys,
        balances=balances,
        fees=Fees(maker=given.maker_bps * BPS, taker=given.taker_bps * BPS),
        limits=Limits(orders_per_10s=orders_per_10s, orders_per_day=max(200_000, 200 * orders_per_10s)),
        orders_max=given.max_num_orders,
        paused=given.paused,
        name=given.name,
        offset_bps=given.offset_bps,
        latency_ms=given.latency_ms,
        instruments=instruments,
        legacy_listen_key=given.legacy_listen_key,
        faults=given.faults,
    )


def _check_live(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Refuse what only a market that is played here can have."""
    if given.market.startswith("live:") and given.market != LIVE:
        parser.error(f"argument --market: {given.market!r} is not known; the live market is {LIVE}")
    if given.market == LIVE and (given.paused or given.speed != 1 or given.offset_bps):
        parser.error("a live market has its own pace and prices: leave out --paused, --speed and --offset-bps")


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", type=_address, default=LOOPBACK, help="address both ports listen on (default %(default)s)")
    add("--config", type=Path, help="TOML file with what follows, and with instruments (README.md)")
    add("--port", type=_port, required=True, help="port for clients, 0 for any free one")
    add("--control-port", type=_port, default=0, help="port for pacing, health and metrics (default: any free one)")
    add(
        "--market",
        default=GENERATED,
        help="'generated', a file or folder of recorded one-minute candles or of captured frames, or 'live:binance'",
    )
    add("--speed", type=_speed, default=1.0, help="market seconds per wall second (default 1)")
    add("--seed", type=_Whole(2**63), default=DEFAULT_SEED, help="seed of the generated market (default %(default)s)")
    add(
        "--history",
        type=_Whole(HISTORY_MAX),
        default=500,
        help="bars served before the live market begins (default 500)",
    )
    add(
        "--data-dir", type=Path, default=Path(".pitwire/venue-sim"), help="log, keys and position (default %(default)s)"
    )
    add("--keys", type=Path, help="JSON file of API keys instead of the pair made in the data folder")
    add(
        "--balance",
        type=_balance,
        action="append",
        default=[],
        metavar="ASSET=AMOUNT",
        help="what each account begins with",
    )
    add("--maker-bps", type=_bps, default=Decimal(10), help="commission of makers in basis points (default 10)")
    add("--taker-bps", type=_bps, default=Decimal(10), help="commission of takers in basis points (default 10)")
    add("--orders-per-10s", type=_Whole(ORDERS_PER_10S_MAX), help="unfilled orders per 10 s (default 100 x speed)")
    add("--max-num-orders", type=_Whole(100_000), default=200, help="open orders per account and symbol (default 200)")
    add("--paused", action="store_true", help="the market waits for the first POST /hold")
    add("--name", default="venue", help="what this venue calls itself when several run (default %(default)s)")
    add("--offset-bps", type=_offset, default=Decimal(0), help="basis points that its prices lie higher")
    add("--latency-ms", type=_latency, default=0, help="how long all that is said takes, each way (default 0)")
    add("--legacy-listen-key", action="store_true", help="serve listenKeys, which Binance has ended in 2026")
    add("--faults", type=_faults, default=[], help="JSON file with a list of faults to begin with (MODEL.md)")


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to {PORT_MAX})")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed <= SPEED_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed (above 0, at most {SPEED_MAX:g})")
    return speed


def _latency(text: str) -> int:
    if not text.isdigit() or int(text) > LATENCY_MS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of milliseconds up to {LATENCY_MS_MAX}")
    return int(text)


class _Whole:
    """Reads a whole number from 1 to a largest one."""

    def __init__(self, largest: int) -> None:
        self._largest = largest

    def __call__(self, text: str) -> int:
        if not text.isdigit() or not 1 <= int(text) <= self._largest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {self._largest}")
        return int(text)


def _faults(text: str) -> list[dict[str, object]]:
    try:
        steps = json.loads(Path(text).read_bytes())
    except (OSError, ValueError) as problem:
        raise argparse.ArgumentTypeError(f"{text}: {problem}") from None
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise argparse.ArgumentTypeError(f"{text}: not a list of JSON objects")
    return steps


def _bps(text: str) -> Decimal:
    amount = _amount(text)
    if amount > BPS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {BPS_MAX} basis points")
    return amount


def _offset(text: str) -> Decimal:
    sign = -1 if text.startswith("-") else 1
    return sign * _bps(text.removeprefix("-"))


def _balance(text: str) -> tuple[str, Decimal]:
    asset, _, amount = text.partition("=")
    if not asset.isalnum() or not asset.isupper():
        raise argparse.ArgumentTypeError(f"{text!r} is not ASSET=AMOUNT, as in USDT=100000")
    return asset, _amount(amount)


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount") from None
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount of zero or more")
    return amount
