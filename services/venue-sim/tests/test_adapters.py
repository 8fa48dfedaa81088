"""Files and the timer: the log, the keys, the settings, pacing."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pitwire.venue_sim.adapters.eventlog import LOG_NAME, DataFolderError, FileLog
from pitwire.venue_sim.adapters.keys import KEYS_NAME, KeysError, load_keys
from pitwire.venue_sim.adapters.logs import JsonFormatter
from pitwire.venue_sim.adapters.outbox import SEND_QUEUE_MAX, SocketOutbox
from pitwire.venue_sim.adapters.pacer import Pacer
from pitwire.venue_sim.clock import monotonic_s, new_secret, wall_ms
from pitwire.venue_sim.config import DEFAULT_SEED, parse
from pitwire.venue_sim.core.generated import GeneratedMarket
from pitwire.venue_sim.core.ledger import Account, LedgerError
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.handlers.assembly import MismatchError, Opening, assemble


# ------------------------------------------------------------------------------------------------------------ the log
def test_the_log_gives_back_what_was_appended(tmp_path: Path) -> None:
    log = FileLog(tmp_path)
    log.append([{"r": "a", "n": 1}, {"r": "b"}])
    log.append([{"r": "c"}])
    log.save_position(12345)
    log.close()
    log = FileLog(tmp_path)
    assert list(log.read()) == [
        {"op": 1, "r": "a", "n": 1},
        {"op": 1, "r": "b", "end": True},
        {"op": 2, "r": "c", "end": True},
    ]
    assert log.load_position() == 12345
    log.append([{"r": "d"}])
    assert [record["op"] for record in log.read()] == [1, 1, 2, 3]
    log.close()


@pytest.mark.parametrize(
    "cut", ['{"op":3,"r":"x"}\n{"op":3,"r":"y"}\n', '{"op":3,"r":"x","end":tr', '{"op":3,"r":"x","end":true}']
)
def test_an_operation_cut_off_by_a_crash_is_removed(tmp_path: Path, cut: str) -> None:
    log = FileLog(tmp_path)
    log.append([{"r": "a"}])
    log.close()
    path = tmp_path / LOG_NAME
    good = path.read_text()
    path.write_text(good + cut)
    log = FileLog(tmp_path)
    assert [record["r"] for record in log.read()] == ["a"]
    assert path.read_text() == good
    log.append([{"r": "b"}])
    assert [(record["op"], record["r"]) for record in log.read()] == [(1, "a"), (2, "b")]
    log.close()


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    (tmp_path / LOG_NAME).write_text('{"op":1,"r":"a","end":true}\nbroken\n{"op":2,"r":"b","end":true}\n')
    log = FileLog(tmp_path)
    with pytest.raises(DataFolderError, match=r"venue.jsonl, line 2: not a JSON record"):
        list(log.read())
    log.close()


def test_a_folder_belongs_to_one_venue_at_a_time(tmp_path: Path) -> None:
    log = FileLog(tmp_path)
    with pytest.raises(DataFolderError, match="another venue uses it"):
        FileLog(tmp_path)
    log.close()
    FileLog(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match=r"file/x: Not a directory; give a --data-dir"):
        FileLog(tmp_path / "file" / "x")


# ----------------------------------------------------------------------------------------------------------- assembly
def opening(**balances: Any) -> Opening:
    return Opening(accounts=["main"], balances=balances, default_quote=Decimal(5), fees=Fees(), orders_max=7)


def test_a_new_venue_logs_its_market_and_its_accounts(tmp_path: Path) -> None:
    log = FileLog(tmp_path)
    source = GeneratedMarket(seed=3, history=5)
    exchange, _ = assemble(source, opening(), log=log, records=log.read(), position_ms=0)
    assert {asset: balance.free for asset, balance in exchange.accounts["main"].balances.items()} == {
        "BTC": 0,
        "USDT": 5,
        "ETH": 0,
    }
    start, account = log.read()
    assert (start["r"], start["market"]) == ("start", source.identity)
    assert account["balances"] == {"BTC": "0", "USDT": "5", "ETH": "0"}
    with pytest.raises(MismatchError, match="not of 'generated seed=4"):
        assemble(GeneratedMarket(seed=4, history=5), opening(), log=log, records=log.read(), position_ms=0)
    log.close()


def test_update_ids_never_come_twice(tmp_path: Path) -> None:
    log = FileLog(tmp_path)
    exchange, driver = assemble(
        GeneratedMarket(seed=3, history=5), opening(), log=log, records=log.read(), position_ms=0
    )
    for _ in range(30):
        driver.advance()
    again, other = assemble(
        GeneratedMarket(seed=3, history=5), opening(), log=log, records=log.read(), position_ms=driver.market_ms
    )
    assert other.market_ms == driver.market_ms
    assert again.revision >= exchange.revision
    log.close()


def test_a_negative_balance_stops_the_venue() -> None:
    account = Account("main", {})
    with pytest.raises(LedgerError, match="USDT free -1"):
        account.change("USDT", free=Decimal(-1))


# --------------------------------------------------------------------------------------------------------------- keys
def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    first = load_keys(tmp_path, None, account="main", new_secret=new_secret)
    assert load_keys(tmp_path, None, account="main", new_secret=new_secret) == first
    assert stat.S_IMODE((tmp_path / KEYS_NAME).stat().st_mode) == 0o600
    assert len(first[0]["api_secret"]) == 64
    assert first[0]["api_key"] != first[0]["api_secret"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "line 1: not JSON"),
        ("{}", "needs a list"),
        ("[]", "needs a list"),
        ('[{"api_key": "a", "api_secret": ""}]', "needs a list"),
        ('[{"api_key":"a","api_secret":"b","account":"c"},{"api_key":"a","api_secret":"b","account":"d"}]', "twice"),
    ],
)
def test_a_keys_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "given.json"
    path.write_text(text)
    with pytest.raises(KeysError, match=problem):
        load_keys(tmp_path, path, account="main", new_secret=new_secret)
    with pytest.raises(KeysError, match="cannot be read"):
        load_keys(tmp_path, tmp_path / "nowhere", account="main", new_secret=new_secret)


# ------------------------------------------------------------------------------------------------------------- config
def test_settings_have_defaults() -> None:
    config = parse(["--port", "0"])
    assert (config.market, config.speed, config.seed, config.history) == (None, 1.0, DEFAULT_SEED, 500)
    assert config.limits.orders_per_10s == 100
    assert parse(["--port", "0", "--speed", "60"]).limits.orders_per_10s == 6000
    assert parse(["--port", "0", "--balance", "BTC=1.5", "--balance", "USDT=7"]).balances.keys() == {"BTC", "USDT"}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("", "--port"),
        ("--port 70000", "'70000' is not a port"),
        ("--port x", "'x' is not a port"),
        ("--port 0 --speed 0", "'0' is not a speed"),
        ("--port 0 --speed -1", "'-1' is not a speed"),
        ("--port 0 --speed nan", "'nan' is not a speed"),
        ("--port 0 --seed -3", "'-3' is not a whole number"),
        ("--port 0 --balance USDT", "'' is not an amount"),
        ("--port 0 --balance USDT=-5", "'-5' is not an amount of zero or more"),
        ("--port 0 --balance USDT=nan", "'nan' is not an amount of zero or more"),
        ("--port 0 --balance =5", "'=5' is not ASSET=AMOUNT"),
        ("--port 0 --balance A=1 --balance A=2", "A is given twice"),
        ("--port 0 --maker-bps 5000", "more than 1000 basis points"),
        ("--port 0 --unknown", "--unknown"),
    ],
)
def test_a_mistake_in_the_settings_is_named(options: str, problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(options.split())
    assert end.value.code == 2
    assert problem in capsys.readouterr().err


def test_log_lines_are_json() -> None:
    record = logging.makeLogRecord({"name": "venue", "msg": "hello %s", "args": ("you",), "peer": "x"})
    line = json.loads(JsonFormatter().format(record))
    assert (line["message"], line["peer"], line["logger"]) == ("hello you", "x", "venue")


# ------------------------------------------------------------------------------------------------------------- pacing
class FakeMarket:
    """Instants every 1,000 market milliseconds from 1,000 to 10,000; notes the wall time at which each is played."""

    def __init__(self, last_ms: int = 10_000) -> None:
        self.played: list[int] = []
        self.at: list[float] = []
        self._end_ms = last_ms

    def next_ms(self) -> int | None:
        following = self.last_ms() + 1000
        return following if following <= self._end_ms else None

    def last_ms(self) -> int:
        return self.played[-1] if self.played else 0

    def advance(self) -> None:
        self.played.append(self.last_ms() + 1000)
        self.at.append(monotonic_s())


async def test_the_market_runs_at_its_speed_to_its_end() -> None:
    market = FakeMarket()
    pacer = Pacer(market, speed=100.0, paused=False, monotonic_s=monotonic_s)
    began = monotonic_s()
    await asyncio.wait_for(pacer.run(), 5)
    assert market.played == list(range(1000, 11_000, 1000))
    assert monotonic_s() - began > 0.09
    assert pacer.ended
    assert pacer.market_ms() == 10_000
    assert 0 < pacer.speed_reached() < 120


async def test_the_market_never_passes_the_hold_and_moves_at_once_when_it_is_lifted() -> None:
    market = FakeMarket()
    pacer = Pacer(market, speed=10_000.0, paused=True, monotonic_s=monotonic_s)
    task = asyncio.create_task(pacer.run())
    await asyncio.sleep(0.01)
    assert market.played == []
    assert pacer.market_ms() == 0
    pacer.hold(3999)
    while len(market.played) < 3:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert market.played == [1000, 2000, 3000]
    assert pacer.market_ms() == 3999
    lifted = monotonic_s()
    pacer.hold(4000)
    while len(market.played) < 4:
        await asyncio.sleep(0)
    assert market.at[-1] - lifted < 1
    pacer.hold(None)
    await asyncio.wait_for(task, 5)
    assert market.played[-1] == 10_000


async def test_market_time_never_goes_back_nor_past_the_next_instant() -> None:
    market = FakeMarket()
    pacer = Pacer(market, speed=200.0, paused=False, monotonic_s=monotonic_s)
    task = asyncio.create_task(pacer.run())
    seen = [0]
    while not task.done():
        now = pacer.market_ms()
        following = market.next_ms()
        assert now >= seen[-1]
        assert following is None or now < following
        seen.append(now)
        await asyncio.sleep(0)
    assert len(set(seen)) > 5


async def test_a_late_market_slows_down_instead_of_jumping() -> None:
    now = [0.0]
    market = FakeMarket(last_ms=10_000)
    pacer = Pacer(market, speed=1.0, paused=False, monotonic_s=lambda: now[0])
    task = asyncio.create_task(pacer.run())
    await asyncio.sleep(0)
    now[0] = 7.0
    pacer.hold(None)
    await asyncio.sleep(0.01)
    assert len(market.played) <= 1
    task.cancel()


# ------------------------------------------------------------------------------------------------------------- outbox
class StuckSocket:
    """A socket whose client does not read."""

    closed = False

    async def send_frame(self, frame: bytes, kind: Any) -> None:
        await asyncio.Event().wait()


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    cuts: list[bool] = []
    socket: Any = StuckSocket()
    outbox = SocketOutbox(socket, peer="p", abort=lambda: cuts.append(True), settle=lambda: None)
    task = asyncio.create_task(outbox.run())
    for _ in range(SEND_QUEUE_MAX + 10):
        outbox.send(b"x")
    assert cuts == [True]
    task.cancel()


def test_the_clock_counts_in_milliseconds() -> None:
    assert wall_ms() > 1_700_000_000_000


def test_what_is_appended_in_one_turn_is_one_write_and_waits_for_nobody(tmp_path: Path) -> None:
    log = FileLog(tmp_path)
    later: list[Callable[[], None]] = []
    log.defer = later.append
    log.append([{"r": "start"}])
    log.append([{"r": "order"}, {"r": "balance"}])
    written = tmp_path / "venue.jsonl"
    assert (written.read_bytes(), len(later)) == (b"", 1)
    later.pop()()
    assert [line["op"] for line in map(json.loads, written.read_text().splitlines())] == [1, 2, 2]
    log.append([{"r": "wipe"}])
    log.save_position(7)
    assert len(written.read_text().splitlines()) == 4, "the position is never ahead of the log"
    log.append([{"r": "wipe"}])
    log.close()
    assert len(written.read_text().splitlines()) == 5


async def test_nothing_leaves_before_what_it_tells_of_is_settled() -> None:
    order: list[str] = []

    class Socket:
        closed = False

        async def send_frame(self, frame: bytes, kind: Any) -> None:
            order.append(frame.decode())
            self.closed = True

    socket: Any = Socket()
    outbox = SocketOutbox(socket, peer="p", abort=lambda: None, settle=lambda: order.append("settled"))
    outbox.send(b"answer")
    await outbox.run()
    assert order == ["settled", "answer"]
