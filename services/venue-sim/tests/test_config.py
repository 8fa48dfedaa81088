"""The command line of the venue."""

from decimal import Decimal
from pathlib import Path

import pytest

from pitwire.venue_sim.config import parse
from pitwire.venue_sim.core.instruments import Instrument, InstrumentError, generated_symbols


def test_it_listens_on_loopback_unless_told_otherwise() -> None:
    assert parse(["--port", "0"]).host == "127.0.0.1"
    assert parse(["--port", "0", "--host", "0.0.0.0"]).host == "0.0.0.0"


def test_a_host_that_is_no_address_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--port", "0", "--host", "everywhere"])
    assert "'everywhere' is not an IP address" in capsys.readouterr().err


def test_venues_have_names_and_their_prices_may_differ() -> None:
    config = parse(["--port", "0", "--name", "north", "--offset-bps", "-12.5"])
    assert (config.name, config.offset_bps) == ("north", Decimal("-12.5"))
    for wrong in (["--offset-bps", "much"], ["--latency-ms", "-1"], ["--latency-ms", "60001"]):
        with pytest.raises(SystemExit):
            parse(["--port", "0", *wrong])


NORTH = """
name = "north"
market = "candles"
maker_bps = "2"
taker_bps = 7.5
offset_bps = -3
latency_ms = 20
legacy_listen_key = true

[balances]
USDT = "5000"

[instruments.BTCUSDT]
tick_size = "0.1"
notional_min = 0
taker_bps = "1.25"
stop_orders_max = 3
"""


def test_a_file_says_what_the_command_line_does_and_what_instruments_are(tmp_path: Path) -> None:
    (tmp_path / "candles").mkdir()
    file = tmp_path / "venue.toml"
    file.write_text(NORTH)
    config = parse(["--port", "0", "--config", str(file)])
    assert (config.name, config.market, config.offset_bps) == ("north", tmp_path / "candles", Decimal(-3))
    assert (config.latency_ms, config.legacy_listen_key, config.balances) == (20, True, {"USDT": Decimal(5000)})
    assert (config.fees.maker, config.fees.taker) == (Decimal("0.0002"), Decimal("0.00075"))
    instrument = config.instruments["BTCUSDT"]
    assert instrument.rules == {"tick_size": Decimal("0.1"), "notional_min": Decimal(0), "stop_orders_max": 3}
    assert (instrument.maker_fee, instrument.taker_fee) == (None, Decimal("0.000125"))


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(NORTH)
    config = parse(["--port", "0", "--config", str(file), "--name", "south", "--balance", "BTC=1"])
    assert (config.name, config.balances) == ("south", {"BTC": Decimal(1)})
    assert config.latency_ms == 20


WRONG_FILES = [
    ("name = ", "not TOML"),
    ("color = 1", "color: unknown; the keys are name, market"),
    ("maker_bps = 'much'", "argument --maker-bps: 'much' is not an amount"),
    ("legacy_listen_key = 'yes'", "legacy_listen_key: has to be true or false"),
    ("name = [1]", "name: has to be a number or a text"),
    ("balances = 5", "balances: has to be a table"),
    ("balances.usdt = 5", "argument --balance: 'usdt=5' is not ASSET=AMOUNT"),
    ("[instruments.btcusdt]", "instruments.btcusdt: is not a symbol"),
    ("live.rest = 'api.example'", "live.rest: has to be a text that begins with one of http://"),
    ("live.key = 'x'", "live.key: unknown; the keys are rest, ws"),
    ("[instruments]\nBTCUSDT = 1", "BTCUSDT: has to be a table"),
    ("[instruments.BTCUSDT]\ntick = 1", "instruments.BTCUSDT.tick: unknown; the keys are quote, price"),
    ("[instruments.BTCUSDT]\ntick_size = 0", "instruments.BTCUSDT.tick_size: '0' is not an amount above zero"),
    ("[instruments.BTCUSDT]\ntick_size = 'x'", "instruments.BTCUSDT.tick_size: 'x' is not an amount"),
    ("[instruments.BTCUSDT]\nmaker_bps = 1001", "instruments.BTCUSDT.maker_bps: is more than 1000"),
    ("[instruments.BTCUSDT]\nquote = 1", "instruments.BTCUSDT.quote: has to be a text"),
    ("[instruments.BTCUSDT]\nstop_orders_max = 0", "instruments.BTCUSDT.stop_orders_max: has to be a whole number"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG_FILES, ids=[problem for _, problem in WRONG_FILES])
def test_a_mistake_in_the_file_is_told_with_the_file_the_key_and_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, problem: str
) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(text)
    with pytest.raises(SystemExit) as ended:
        parse(["--port", "0", "--config", str(file)])
    assert ended.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert str(file) in said
    assert problem in said


def test_a_generated_instrument_that_nobody_knows_has_to_be_described() -> None:
    with pytest.raises(InstrumentError, match="SOLUSDT: a generated market needs price, minute_volume, tick_size"):
        generated_symbols({"SOLUSDT": Instrument(rules={"lot_step": Decimal("0.01")})})
    rules: dict[str, Decimal | int] = {"tick_size": Decimal("0.01"), "lot_step": Decimal("0.01")}
    made = generated_symbols(
        {"WIFBRL": Instrument(quote="BRL", price=Decimal(5), minute_volume=Decimal(10), rules=rules)}
    )
    assert (made[0].rules.base, made[0].rules.quote) == ("WIF", "BRL")
    with pytest.raises(InstrumentError, match="WIFBRL: the symbol does not end with its quote 'USD'"):
        generated_symbols({"WIFBRL": Instrument(quote="USD", price=Decimal(5), minute_volume=Decimal(10), rules=rules)})


def test_a_live_market_is_followed_where_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    file.write_text('market = "live:binance"\n[live]\nrest = "http://127.0.0.1:1/"\n')
    live = parse(["--port", "0", "--config", str(file)]).live
    assert live == ("http://127.0.0.1:1", "wss://data-stream.binance.vision")
