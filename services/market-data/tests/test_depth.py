"""Books by each venue's rules, and what they make of recorded sessions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest

from pitwire.common.testing.recorded import frames_of, lines_of
from pitwire.market_data.adapters import coinbase_frames, kraken_frames
from pitwire.market_data.adapters.frames import snapshot_of, tick_of
from pitwire.market_data.core.depth import DIFFS_HELD_MAX, BinanceBook, Diff, Outcome, Snapshot, StreamedBook
from pitwire.market_data.core.ticks import QuoteTick

BTC = "BTC-USDT.sim"
KNOWN = {"BTCUSDT": BTC}
CRYPTOFEED = {"NKNUSDT": "NKN-USDT.x", "BLZETH": "BLZ-ETH.x", "LRCBTC": "LRC-BTC.x", "RUNEEUR": "RUNE-EUR.x"}


def diff(first: int, last: int, *, bid: str = "99.0", previous: int | None = None, ask: str = "101.0") -> Diff:
    return Diff(BTC, first, last, [[bid, "1.0"]], [[ask, "1.0"]], 1, previous)


def snapshot(last: int, bid: str = "98.0", ask: str = "102.0") -> Snapshot:
    return Snapshot(BTC, last, [[bid, "1.0"]], [[ask, "1.0"]])


def synced(last: int = 10) -> BinanceBook:
    book = BinanceBook()
    book.on_diff(diff(last, last + 1))
    assert book.on_snapshot(snapshot(last)) is Outcome.SNAPSHOT
    return book


def test_diffs_wait_for_a_snapshot_and_those_within_it_are_dropped() -> None:
    book = BinanceBook()
    wanted = [book.wants_snapshot]
    found = [book.on_diff(diff(first, first + 2)) for first in (1, 4, 7)]
    assert found == [Outcome.HELD] * 3
    wanted.append(book.wants_snapshot)
    assert book.on_snapshot(snapshot(5)) is Outcome.SNAPSHOT
    assert (book.last_update_id, book.is_synced) == (9, True)
    assert [*wanted, book.wants_snapshot] == [False, True, False]
    assert book.book.bids.top(5) == [("99.0", "1.0"), ("98.0", "1.0")]


def test_a_snapshot_older_than_the_first_diff_is_not_used() -> None:
    book = BinanceBook()
    book.on_diff(diff(20, 22))
    assert book.on_snapshot(snapshot(18)) is Outcome.HELD
    assert not book.is_synced
    assert book.on_snapshot(snapshot(19)) is Outcome.SNAPSHOT


def test_a_snapshot_newer_than_every_diff_waits_for_the_one_that_spans_it() -> None:
    book = BinanceBook()
    book.on_diff(diff(1, 3))
    assert book.on_snapshot(snapshot(30)) is Outcome.SNAPSHOT
    assert book.on_diff(diff(4, 29)) is Outcome.REPEATED
    assert book.on_diff(diff(29, 33)) is Outcome.APPLIED
    assert book.on_diff(diff(34, 34)) is Outcome.APPLIED


@pytest.mark.parametrize(
    ("next_diff", "outcome"),
    [
        (diff(12, 13), Outcome.APPLIED),
        (diff(13, 14), Outcome.LOST),
        (diff(10, 11), Outcome.REPEATED),
        (diff(11, 13), Outcome.LOST),
        (diff(500, 600, previous=11), Outcome.APPLIED),
        (diff(12, 13, previous=10), Outcome.LOST),
        (diff(12, 13, bid="103.0"), Outcome.LOST),
        (diff(12, 13, bid="99.00"), Outcome.LOST),
        (diff(12, 13, bid="100.5"), Outcome.APPLIED),
        (diff(12, 13, bid="0.0"), Outcome.LOST),
    ],
)
def test_a_diff_that_does_not_join_or_crosses_the_book_loses_it(next_diff: Diff, outcome: Outcome) -> None:
    book = synced()
    assert book.on_diff(next_diff) is outcome
    assert book.is_synced is (outcome is not Outcome.LOST)


def test_a_lost_book_comes_back_with_the_next_snapshot() -> None:
    book = synced()
    assert book.on_diff(diff(15, 16)) is Outcome.LOST
    assert book.on_diff(diff(17, 17)) is Outcome.HELD
    assert book.wants_snapshot
    assert book.on_snapshot(snapshot(15)) is Outcome.SNAPSHOT
    assert book.last_update_id == 17


def test_diffs_that_do_not_join_behind_a_snapshot_lose_it_again() -> None:
    book = BinanceBook()
    for each in (diff(1, 3), diff(7, 9), diff(10, 12)):
        book.on_diff(each)
    assert book.on_snapshot(snapshot(2)) is Outcome.LOST
    assert book.wants_snapshot
    assert book.on_snapshot(snapshot(8)) is Outcome.SNAPSHOT
    assert book.last_update_id == 12


def test_held_diffs_are_bounded_and_a_snapshot_before_them_is_too_old_then() -> None:
    book = BinanceBook()
    for at in range(DIFFS_HELD_MAX + 10):
        book.on_diff(diff(at + 1, at + 1))
    assert book.on_snapshot(snapshot(5)) is Outcome.HELD
    assert book.on_snapshot(snapshot(10)) is Outcome.SNAPSHOT


def test_a_streamed_book_without_snapshot_or_with_a_wrong_checksum_is_lost() -> None:
    book = StreamedBook(depth=10)
    assert book.on_diff([["1.0", "1"]], []) is Outcome.LOST
    assert book.on_snapshot([["1.0", "1"]], [["2.0", "1"]]) is Outcome.SNAPSHOT
    assert book.on_diff([["1.1", "1"]], [], checksum=1) is Outcome.LOST
    assert book.on_diff([["1.1", "1"]], []) is Outcome.LOST
    assert book.on_snapshot([["2.0", "1"]], [["2.0", "1"]]) is Outcome.LOST


class Replayed:
    """A recorded session of Binance: books by instrument, and every comparison with a recorded top of book."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self.books = {instrument: BinanceBook() for instrument in known.values()}
        self.outcomes: Counter[Outcome] = Counter()
        self.equal = self.different = self.crossed = 0
        self._tops: dict[tuple[str, int], QuoteTick] = {}

    def on_frame(self, raw: bytes) -> None:
        tick = tick_of(raw, self.known)
        if isinstance(tick, QuoteTick):
            self._tops[tick.instrument_id, tick.update_id] = tick
            self._compare(tick.instrument_id, tick.update_id)
        elif isinstance(tick, Diff):
            book = self.books[tick.instrument_id]
            self.outcomes[book.on_diff(tick)] += 1
            self.crossed += book.book.is_crossed
            self._compare(tick.instrument_id, tick.last_update_id)

    def on_snapshot(self, instrument: str, body: Any) -> None:
        self.outcomes[self.books[instrument].on_snapshot(snapshot_of(instrument, body))] += 1

    def _compare(self, instrument: str, update_id: int) -> None:
        book, top = self.books[instrument], self._tops.get((instrument, update_id))
        if top is None or not book.is_synced or book.last_update_id != update_id:
            return
        ours = [*book.book.bids.top(1), *book.book.asks.top(1)]
        equal = ours == [(top.bid_price, top.bid_quantity), (top.ask_price, top.ask_quantity)]
        self.equal += equal
        self.different += not equal


@pytest.mark.parametrize(
    ("names", "diffs", "shared_min"),
    [
        (("binance_spot_BTCUSDT_ws_20240808", "binance_spot_BTCUSDT_ws_20240809"), 6_492, 1_072),
        (("binance_usdm_BTCUSDT_ws_20240808",), 6_545, 503),
    ],
)
def test_a_recorded_book_equals_the_recorded_top_at_every_shared_update_and_is_never_crossed(
    names: tuple[str, ...], diffs: int, shared_min: int
) -> None:
    replayed = Replayed(KNOWN)
    for name in names:
        for _, raw in frames_of(f"orderbook/{name}.jsonl.gz"):
            if raw.startswith(b'{"lastUpdateId"'):
                replayed.on_snapshot(BTC, orjson.loads(raw))
            else:
                replayed.on_frame(raw)
    assert (replayed.different, replayed.crossed, replayed.outcomes[Outcome.LOST]) == (0, 0, 0)
    assert replayed.outcomes[Outcome.APPLIED] == diffs
    assert replayed.equal >= shared_min


def test_four_books_of_one_recorded_session_equal_their_recorded_tops() -> None:
    replayed = Replayed(CRYPTOFEED)
    answers = list(lines_of("captures/cryptofeed/BINANCE.http.0.0.txt.gz"))
    events = [(_received(line), line) for line in answers if line]
    stream = lines_of("captures/cryptofeed/BINANCE.ws.1.0.txt.gz")
    events += [(float(line.partition(b": ")[0]), line) for line in stream if line[:1].isdigit()]
    for _, line in sorted(events, key=lambda event: event[0]):
        head, _, body = line.partition(b": ")
        if b"symbol=" in head:
            symbol = head.partition(b"symbol=")[2].partition(b"&")[0].decode()
            replayed.on_snapshot(CRYPTOFEED[symbol], orjson.loads(body))
        else:
            replayed.on_frame(body)
    assert (replayed.different, replayed.crossed, replayed.outcomes[Outcome.LOST]) == (0, 0, 0)
    assert replayed.equal >= 20
    assert all(book.is_synced for book in replayed.books.values())


def _received(line: bytes) -> float:
    return float(line.partition(b" -> ")[2].partition(b": ")[0])


def test_every_checksum_of_a_recorded_kraken_session_matches() -> None:
    books: dict[str, StreamedBook] = {}
    outcomes: Counter[Outcome] = Counter()
    for line in lines_of("captures/cryptofeed/KRAKEN.ws.50.0.txt.gz"):
        message = kraken_frames.book_of(raw) if (raw := line.partition(b": ")[2]).startswith(b"[") else None
        if message is None:
            continue
        book = books.setdefault(message.pair, StreamedBook(depth=1_000))
        act = book.on_snapshot if message.is_snapshot else book.on_diff
        outcomes[act(message.bids, message.asks, message.checksum)] += 1
    assert outcomes == {Outcome.SNAPSHOT: 10, Outcome.APPLIED: 4_269}


def test_a_single_wrong_quantity_fails_the_next_kraken_checksum() -> None:
    book: StreamedBook | None = None
    for line in lines_of("captures/cryptofeed/KRAKEN.ws.50.0.txt.gz"):
        message = kraken_frames.book_of(raw) if (raw := line.partition(b": ")[2]).startswith(b"[") else None
        if message is None or message.pair != "XMR/USD":
            continue
        if book is None:
            book = StreamedBook(depth=1_000)
            (price, quantity), *others = message.bids
            assert book.on_snapshot([(price, f"1{quantity}"), *others], message.asks) is Outcome.SNAPSHOT
            continue
        assert book.on_diff(message.bids, message.asks, message.checksum) is Outcome.LOST
        return
    pytest.fail("the recording has no change of this book")


def test_ten_recorded_coinbase_books_are_never_crossed() -> None:
    books: dict[str, StreamedBook] = {}
    outcomes: Counter[Outcome] = Counter()
    for line in lines_of("captures/cryptofeed/COINBASE.ws.28.0.txt.gz"):
        if not line[:1].isdigit():
            continue
        for message in coinbase_frames.books_of(line.partition(b": ")[2]):
            book = books.setdefault(message.product, StreamedBook())
            act = book.on_snapshot if message.is_snapshot else book.on_diff
            outcomes[act(message.bids, message.asks)] += 1
    assert outcomes == {Outcome.SNAPSHOT: 10, Outcome.APPLIED: 9_719}
