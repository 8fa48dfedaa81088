"""Files of candles: read exactly, or refused with file, line and reason."""

from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from pathlib import Path

import pytest
from services.backtest.tests.runs import recorded

from pitwire.backtest.adapters.candle_files import CHUNK_LINES, DataError, instrument_of, interval_of, read_candles

HEADER = "open_time_ms,open,high,low,close,volume"
ROW = "1704067200000,100,101,99,100.5,7"
NEXT = "1704067260000,100,101,99,100.5,7"


def file(folder: Path, *lines: str, name: str = "BTCUSDT_1m.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_recorded_number_comes_back_exactly() -> None:
    for path in [*recorded("binance_spot_2024/BTCUSDT_1h_*"), *recorded("multivenue_2023_03/kraken_BTCUSDC*")]:
        series = read_candles(path)
        with gzip.open(path, "rt") as lines:
            rows = list(csv.DictReader(lines))
        assert len(rows) == len(series)
        for row, bar in zip(rows, series.bars(), strict=True):
            assert [bar.open_time_ns // 1_000_000, bar.open, bar.high, bar.low, bar.close, bar.volume] == [
                int(row["open_time_ms"]),
                *(Decimal(row[name]) for name in ("open", "high", "low", "close", "volume")),
            ]


def test_the_tick_is_the_finest_that_the_prices_show(tmp_path: Path) -> None:
    series = read_candles(file(tmp_path, HEADER, ROW, "1704067260000,100,101,99.125,100.5,7"))
    assert (series.instrument.tick_size, series.instrument.instrument_id) == (Decimal("0.001"), "BTC-USDT.sim")
    assert (series.interval, series.step_ns) == ("1m", 60_000_000_000)


def test_times_may_be_dates_and_columns_in_any_order(tmp_path: Path) -> None:
    lines = (
        "date,volume,close,low,high,open",
        "2024-01-01 00:00:00,7,100.5,99,101,100",
        "2024-01-01 01:00:00,7,1,1,1,1",
    )
    series = read_candles(file(tmp_path, *lines))
    assert (series.open_ns[0], series.interval) == (1_704_067_200_000_000_000, "1h")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((HEADER, ROW, "1704067260000,100,101,99,x,7"), "line 3: close 'x' is not a number"),
        ((HEADER, ROW, ROW), "line 3: time 1704067200000 does not come after"),
        ((HEADER, "1704067200000,100,101,99,102,7"), "line 2: open 100 or close 102 lies outside low 99 to high 101"),
        ((HEADER, ROW, "1704067260000,0,1,0,1,7"), "line 3: a price is not above 0"),
        (
            (HEADER, ROW, "1704067260000,100,101,99,100.5,-1"),
            "line 3: a price is not above 0 or the volume is negative",
        ),
        ((HEADER, ROW, "1704067260000,100,101"), "line 3: 3 fields where 6 are needed"),
        ((HEADER, ROW, "1704067260000,nan,101,99,100,7"), "line 3: open 'nan' is not a finite number"),
        ((HEADER, "17040672,100,101,99,100.5,7"), "line 2: time 17040672 has 8 digits"),
        ((HEADER, "yesterday,100,101,99,100.5,7"), "line 2: time 'yesterday' is neither"),
        (("open_time_ms,open,high,close", ROW), "line 1: the header lacks low"),
        (("open,high,low,close", ROW), "line 1: the header lacks a time"),
        ((HEADER,), "no candles in it"),
        (("",), "line 1: the header lacks"),
    ],
)
def test_what_is_wrong_is_named_by_file_line_and_reason(tmp_path: Path, lines: tuple[str, ...], reason: str) -> None:
    path = file(tmp_path, *lines)
    with pytest.raises(DataError) as caught:
        read_candles(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


def test_a_bad_line_far_inside_a_long_file_is_named_too(tmp_path: Path) -> None:
    start = 1_704_067_200_000
    rows = [f"{start + 60_000 * n},100,101,99,100.5,7" for n in range(CHUNK_LINES + 50)]
    rows[CHUNK_LINES + 10] = rows[CHUNK_LINES + 10].replace("101", "98")
    with pytest.raises(DataError, match=f"line {CHUNK_LINES + 12}: open 100"):
        read_candles(file(tmp_path, HEADER, *rows))


def test_a_damaged_archive_says_so(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT_1m.csv.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\n{ROW}\n".encode())[:-9])
    with pytest.raises(DataError, match="cannot be read"):
        read_candles(path)


@pytest.mark.parametrize(
    ("name", "instrument"),
    [
        ("BTCUSDT_1m_20240101.csv.gz", "BTC-USDT.sim"),
        ("kraken_BTCUSD_1m.csv", "BTC-USD.kraken"),
        ("EURUSD_1h_201704_201802.csv", "EUR-USD.sim"),
    ],
)
def test_the_name_of_the_file_tells_the_instrument(name: str, instrument: str) -> None:
    assert instrument_of(Path(name)) == instrument


def test_a_name_that_tells_nothing_is_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match=r"BASE-QUOTE\.venue=FILE"):
        instrument_of(Path("prices.csv"))


@pytest.mark.parametrize(
    ("seconds", "name"), [(60, "1m"), (300, "5m"), (3_600, "1h"), (14_400, "4h"), (86_400, "1d"), (1, "1s")]
)
def test_intervals_have_their_usual_names(seconds: int, name: str) -> None:
    assert interval_of(seconds * 1_000_000_000) == name


@pytest.mark.parametrize(
    ("name", "instrument_id"),
    [
        ("coinbase_USDTUSD_1m.csv", "USDT-USD.coinbase"),
        ("BTCFDUSD_1h.csv.gz", "BTC-FDUSD.sim"),
        ("EURUSDT_1d.csv", "EUR-USDT.sim"),
        ("EURUSD_1h.csv", "EUR-USD.sim"),
    ],
)
def test_the_name_of_a_file_tells_base_and_quote(name: str, instrument_id: str) -> None:
    assert instrument_of(Path(name)) == instrument_id
