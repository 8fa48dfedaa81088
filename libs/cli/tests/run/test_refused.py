"""A run that is refused leaves nothing: no server was started, no folder is there, no other run was pushed out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pitwire.cli.run.folder import RUNS_KEPT_MAX, open_run, runs_in
from pitwire.cli.run.infra import Infra
from pitwire.cli.run.session import run_up
from pitwire.cli.run.system import UpOptions
from pitwire.common.errors import UsageError

SHIPPED = (Path(__file__).parents[4] / "pitwire.toml").read_text(encoding="utf-8")
HEADER = "open_time_ms,open,high,low,close,volume"
NOT_MADE = (
    "class Broken:\n    print('loud')\n    def on_candle(self, candle, portfolio): ...\n    def __init__(self): 1 / 0\n"
)
Refuse = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Runs `up` with the configuration and says what it was refused with; a server that is started fails the test."""

    async def start(_infra: Infra, *_: object) -> None:
        raise AssertionError("a server was started")

    monkeypatch.delenv("PITWIRE_NATS_URL", raising=False)
    monkeypatch.setattr(Infra, "start_nats", start)
    monkeypatch.setattr(Infra, "start_postgres", start)

    def up(text: str, *, market: str = "generated", keep: bool = False) -> str:
        config = tmp_path / "pitwire.toml"
        config.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError) as found:
            run_up(UpOptions(config, tmp_path / "data", market, keep=keep))
        return str(found.value)

    return up


def changed(old: str, new: str) -> str:
    assert old in SHIPPED
    return SHIPPED.replace(old, new, 1)


MOMENTUM = 'type = "momentum"'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (changed('instruments = ["BTC-USDT.sim"', 'instruments = ["XRP-USDT.sim"'), "XRP-USDT.sim is not followed"),
        (changed("params = {}", 'params = { fast = "NaN" }'), "fast"),
        (changed(MOMENTUM, 'type = "nonsense"'), "'nonsense' is not known"),
        (changed(MOMENTUM, 'type = "absent.py:Mine"'), "no file at"),
        (changed(MOMENTUM, 'type = "broken.py:Broken"'), "cannot be made: ZeroDivisionError"),
        (changed("params = {}", "params = { typo = 1 }"), "no such parameter"),
        (changed('interval = "1m"', 'interval = "7x"'), "strategies.momentum.interval"),
    ],
)
def test_a_configuration_that_a_service_would_refuse_makes_nothing(
    refused: Refuse, tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, what: str
) -> None:
    (tmp_path / "broken.py").write_text(NOT_MADE)
    assert what in refused(text)
    assert not (tmp_path / "data").exists()
    assert capfd.readouterr().out == ""


def test_a_market_that_the_venue_refuses_leaves_no_run_and_pushes_none_out(refused: Refuse, tmp_path: Path) -> None:
    candles = tmp_path / "BTCUSDT_1m.csv"
    candles.write_text(f"{HEADER}\n0,1,1,1,1,1\n60000,NaN,1,1,1,1\n")
    for _ in range(RUNS_KEPT_MAX):
        open_run(tmp_path / "data", keep=False)
    before = runs_in(tmp_path / "data")
    assert f"{candles}, line 3" in refused(SHIPPED, market=str(candles))
    assert runs_in(tmp_path / "data") == before


def test_an_instrument_that_the_market_lacks_leaves_no_run_and_a_kept_one_stays(
    refused: Refuse, tmp_path: Path
) -> None:
    text = SHIPPED.replace('instruments = ["BTC-USDT"', 'instruments = ["XYZ-USDT", "BTC-USDT"', 1)
    assert text != SHIPPED
    assert "XYZ-USDT not in the market" in refused(text)
    assert runs_in(tmp_path / "data") == []
    kept = open_run(tmp_path / "data", keep=False)
    assert "XYZ-USDT not in the market" in refused(text, keep=True)
    assert runs_in(tmp_path / "data") == [kept]
