"""The venue as a process: reads its settings, builds its parts, says where it listens, serves until told to stop."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import orjson
import uvloop

from pitwire.venue_sim import clock
from pitwire.venue_sim.adapters import logs
from pitwire.venue_sim.adapters.captures import capture_files, read_capture
from pitwire.venue_sim.adapters.control import Control
from pitwire.venue_sim.adapters.eventlog import DataFolderError, FileLog
from pitwire.venue_sim.adapters.keys import KeysError, load_keys
from pitwire.venue_sim.adapters.live_feed import LiveError, LiveFeed, open_live
from pitwire.venue_sim.adapters.live_pace import LivePace
from pitwire.venue_sim.adapters.pacer import Pacer
from pitwire.venue_sim.adapters.recordings import read_market
from pitwire.venue_sim.adapters.server import HOST, Server
from pitwire.venue_sim.config import DEFAULT_QUOTE_BALANCE, Config, parse
from pitwire.venue_sim.core.frames import Frame
from pitwire.venue_sim.core.generated import GeneratedMarket
from pitwire.venue_sim.core.instruments import InstrumentError, fees_of, generated_symbols, recorded_rules
from pitwire.venue_sim.core.limits import RateLimiter
from pitwire.venue_sim.core.live import LiveDriver, LiveUrls
from pitwire.venue_sim.core.market import BarSource, Driver
from pitwire.venue_sim.core.offset import OffsetMarket
from pitwire.venue_sim.core.recorded import RecordingError
from pitwire.venue_sim.core.restore import RecordError
from pitwire.venue_sim.handlers.assembly import MarketSource, MismatchError, Opening, assemble
from pitwire.venue_sim.handlers.fault_desk import FaultDesk
from pitwire.venue_sim.handlers.faults import Faults
from pitwire.venue_sim.handlers.feeds import Feeds
from pitwire.venue_sim.handlers.listen_keys import ListenKeys
from pitwire.venue_sim.handlers.metrics import exposition
from pitwire.venue_sim.handlers.rest import Rest
from pitwire.venue_sim.handlers.security import Key, Keyring
from pitwire.venue_sim.handlers.stream_session import StreamSession
from pitwire.venue_sim.handlers.venue import Venue
from pitwire.venue_sim.handlers.ws_api import WsApiSession

EXIT_BAD_INPUT = 2
ACCOUNT = "main"
LIVE_SYMBOLS = ["BTCUSDT", "ETHUSDT"]
DEPTH_PERIOD_S = 0.1
FREEZE_AFTER_S = 0.01
log = logging.getLogger("venue")


class ListenError(Exception):
    """A port cannot be had; the text says which and what to do."""


class Market:
    """The venue's market as the pacer plays it; it stands still until it has its venue."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.venue: Venue | None = None
        self.play_faults: Callable[[int], None] = lambda _market_ms: None

    def next_ms(self) -> int | None:
        return self._driver.next_ms

    def last_ms(self) -> int:
        return self._driver.market_ms

    def advance(self) -> None:
        if self.venue is not None:
            self.venue.advance_market()
            self.play_faults(self._driver.market_ms)


class Built(NamedTuple):
    """The parts of a venue."""

    venue: Venue
    market: Market
    pacer: Pacer | LivePace
    feeds: Feeds
    keys: list[Key]


def read_key(entry: dict[str, str]) -> Key:
    """One entry of a keys file.

    Raises:
        KeysError: its public key is none.
    """
    public_key = None
    if "public_key" in entry:
        # Only a venue with such a key pays the 90 ms that this import takes.
        from pitwire.venue_sim.handlers.public_keys import read_public_key  # noqa: PLC0415  # see the line above

        try:
            public_key = read_public_key(entry["public_key"])
        except ValueError as problem:
            raise KeysError(f"the public_key of {entry['api_key']} cannot be used: {problem}") from None
    return Key(entry["api_key"], entry.get("api_secret", ""), entry["account"], public_key)


async def find_source(config: Config) -> MarketSource:
    """Where the venue's market comes from.

    Raises:
        RecordingError: the recording cannot be used.
        LiveError: the live market cannot be reached.
        InstrumentError: a configured instrument cannot be had of this market.
    """
    source: BarSource
    if config.live is not None:
        names = list(config.instruments) or LIVE_SYMBOLS
        return await open_live(config.live, names, instruments=config.instruments, history=config.history)
    if config.market is None:
        symbols = generated_symbols(config.instruments)
        source = GeneratedMarket(seed=config.seed, history=config.history, symbols=symbols)
    elif captures := capture_files(config.market):
        return read_capture(captures, instruments=config.instruments, offset_bps=config.offset_bps)
    else:
        source = read_market(config.market, history=config.history, symbols=config.instruments)
        source.rules = recorded_rules(source.rules, config.instruments)
    return OffsetMarket(source, config.offset_bps) if config.offset_bps else source


def build(
    config: Config, source: MarketSource, file_log: FileLog, *, defer_depth: Callable[[Callable[[], None]], object]
) -> Built:
    """The venue and its pacer, from the settings, the market and the data folder."""
    given = load_keys(config.data_dir, config.keys, account=ACCOUNT, new_secret=clock.new_secret)
    keys = [read_key(entry) for entry in given]
    opening = Opening(
        accounts=list(dict.fromkeys(key.account_id for key in keys)),
        balances=config.balances,
        default_quote=DEFAULT_QUOTE_BALANCE,
        fees=config.fees,
        fees_of=fees_of(config.instruments, config.fees),
        orders_max=config.orders_max,
    )
    exchange, driver = assemble(
        source, opening, log=file_log, records=file_log.read(), position_ms=file_log.load_position()
    )
    market = Market(driver)
    pacer: Pacer | LivePace
    if config.live is not None and isinstance(driver, LiveDriver):
        pacer = LivePace(driver, follow(config.live, driver, market), clock.wall_ms)
    else:
        pacer = Pacer(market, speed=config.speed, paused=config.paused, monotonic_s=clock.monotonic_s)
    faults = Faults()
    feeds = Feeds(exchange, pacer, faults, driver.tapes, defer=defer_depth)
    venue = Venue(
        exchange=exchange,
        driver=driver,
        keyring=Keyring(keys),
        limiter=RateLimiter(config.limits),
        log=file_log,
        publisher=feeds,
        time=pacer,
        wall_ms=lambda: clock.wall_ms() + faults.skew_ms,
        faults=faults,
    )
    if config.legacy_listen_key:
        listen_keys = venue.listen_keys = ListenKeys(new_secret=clock.new_secret)
        feeds.listen_keys = lambda account_id: listen_keys.keys_of(account_id, now_ms=venue.wall_ms())
    market.venue = venue
    return Built(venue, market, pacer, feeds, keys)


def follow(urls: LiveUrls, driver: LiveDriver, market: Market) -> LiveFeed:
    """What brings the frames of a live market to the venue."""

    def hear(frame: Frame) -> None:
        driver.hear(clock.wall_ns(), frame)
        market.advance()

    return LiveFeed(urls, list(driver.tapes), hear=hear, unknown=driver.unknown, fraction=clock.fraction)


async def serve(config: Config, file_log: FileLog) -> None:
    """Listen, print one line that says where, and run the market until a signal comes."""
    loop = asyncio.get_running_loop()
    built = build(config, await find_source(config), file_log, defer_depth=partial(loop.call_later, DEPTH_PERIOD_S))
    file_log.defer = loop.call_soon
    venue, pacer, feeds, keys = built.venue, built.pacer, built.feeds, built.keys
    broken: asyncio.Future[None] = loop.create_future()

    def on_failure(failure: Exception) -> None:
        if not broken.done():
            broken.set_exception(failure)

    server = Server(
        Rest(venue),
        lambda outbox, streams, combined: StreamSession(
            feeds, outbox, streams=streams, combined=combined, wall_ms=clock.wall_ms
        ),
        lambda outbox, address: WsApiSession(venue, feeds, outbox, address=address),
        settle=file_log.flush,
        admit=lambda address: admission(venue, address),
        on_failure=on_failure,
        latency_ms=config.latency_ms,
    )

    def freeze(seconds: float) -> None:
        # Later, so that the answer to this wish still leaves.
        loop.call_later(FREEZE_AFTER_S, clock.sleep, seconds)

    def status() -> dict[str, object]:
        return {
            "name": config.name,
            "market_ms": pacer.market_ms(),
            "speed": pacer.speed,
            "speed_reached": round(pacer.speed_reached(), 3),
            "bars": venue.driver.bars,
            "ended": pacer.ended,
            "hold_until_ms": pacer.hold_ms,
            "stale": [name for name, listing in venue.exchange.listings.items() if listing.is_stale],
        }

    def metrics() -> bytes:
        return exposition(venue, frames=feeds.frames, connections=server.connections, status=status())

    desk = FaultDesk(venue, drop=server.drop, freeze=freeze, shut=lambda: feeds.say_goodbye(server.drop))
    built.market.play_faults = lambda market_ms: report_problems(desk.play(market_ms))
    for step in config.faults:
        report_problems(filter(None, [desk.grant(step)]))
    control = Control(status=status, hold=pacer.hold, metrics=metrics, fault=desk.grant)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        port = await _listen(partial(server.start, host=config.host), config.port, "--port")
        control_port = await _listen(partial(control.start, host=config.host), config.control_port, "--control-port")
        announce(config.name, port, control_port, keys[0])
        await _until(stop, asyncio.create_task(pacer.run()), broken)
    finally:
        await server.stop()
        await control.stop()
        log.info("stopped", extra={"market_ms": pacer.market_ms(), "bars": venue.driver.bars})


def admission(venue: Venue, address: str) -> int:
    """The status a new connection is refused with, 0 when it is welcome."""
    now_ms = venue.wall_ms()
    if now_ms < venue.faults.closed_until_ms:
        return 503
    return 0 if venue.limiter.connect(address, now_ms=now_ms) else 429


def report_problems(problems: Iterable[str]) -> None:
    """Log what went wrong with wishes that nobody waits for."""
    for problem in problems:
        log.error("a fault cannot be had: %s", problem)


async def _listen(start: Callable[[int], Awaitable[int]], port: int, option: str) -> int:
    try:
        return await start(port)
    except OSError as problem:
        raise ListenError(f"cannot listen on port {port}: {problem.strerror}; give another {option}, or 0") from None


async def _until(stop: asyncio.Event, market: asyncio.Task[None], broken: asyncio.Future[None]) -> None:
    """Wait for the signal to stop; a market that ends does not end the venue, one that fails does, as any failure."""
    stopping = asyncio.create_task(stop.wait())
    ends: list[asyncio.Future[Any]] = [stopping, broken]
    await asyncio.wait([*ends, market], return_when=asyncio.FIRST_COMPLETED)
    if market.done() and not broken.done():
        market.result()
        log.info("the market has ended; the venue goes on serving")
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    market.cancel()
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await market
    if broken.done():
        broken.result()
    broken.cancel()


def announce(name: str, port: int, control_port: int, key: Key) -> None:
    """Print the one line on standard output that says where the venue is and who may trade."""
    line = {
        "name": name,
        "http": f"http://{HOST}:{port}",
        "ws": f"ws://{HOST}:{port}",
        "ws_api": f"ws://{HOST}:{port}/ws-api/v3",
        "control": f"http://{HOST}:{control_port}",
        "api_key": key.api_key,
        "api_secret": key.secret,
    }
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


UNUSABLE = (
    RecordingError, LiveError, InstrumentError, DataFolderError, KeysError, MismatchError, RecordError, ListenError,
)  # fmt: skip
"""What was given cannot be used, or is not there."""


def main(arguments: list[str]) -> int:
    """Run the venue; the exit code."""
    config = parse(arguments)
    logs.set_up()
    try:
        file_log = FileLog(config.data_dir)
        try:
            uvloop.run(serve(config, file_log))
        finally:
            file_log.close()
    except UNUSABLE as problem:
        # The text says what to do; a traceback would hide it.
        log.log(logging.ERROR, str(problem))
        return EXIT_BAD_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
