"""The tear sheet in a real browser: it draws, it logs no error, it loads nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from services.backtest.tests.runs import CAPITAL, run, walk

from pitwire.backtest.adapters.html_report import write_report
from pitwire.backtest.core.sheet import sheet
from pitwire.common.errors import UsageError
from pitwire.strategy.strategies.mean_reversion import MeanReversion, MeanReversionParams
from pitwire.strategy.strategies.momentum import Momentum, MomentumParams

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT = 1280, 1800
BROWSER_DEADLINE_S = 50


def made(title: str = "momentum") -> dict[str, Any]:
    series = [walk(3_000), walk(3_000, seed=2, instrument_id="ETH-USDT.sim")]
    strategies = {
        "momentum": Momentum(MomentumParams(fast=3, slow=8, threshold_percent=0, cooldown=0)),
        "mean_reversion": MeanReversion(MeanReversionParams(length=10, edge_percent_min=0)),
    }
    return sheet(title, run(series, strategies[title]), series, capital=CAPITAL)


def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser ({', '.join(BROWSERS)}); on Debian: apt-get install chromium")
    return found


def opened(page: Path, *, picture: Path | None = None) -> tuple[str, list[str]]:
    """The document as it stands after its scripts ran (or a picture of it), and what the console got."""
    words = [
        browser(),
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={page.parent / 'profile'}",
        f"--window-size={WIDTH},{HEIGHT}",
        "--virtual-time-budget=3000",
        "--enable-logging=stderr",
        "--dump-dom" if picture is None else f"--screenshot={picture}",
        page.as_uri(),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=BROWSER_DEADLINE_S)
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def pixels(picture: Path) -> bytes:
    """The raw, still filtered rows of a PNG."""
    data, place, packed = picture.read_bytes(), 8, b""
    while place < len(data):
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        packed += data[place + 8 : place + 8 + length] if kind == b"IDAT" else b""
        place += 12 + length
    return zlib.decompress(packed)


@pytest.mark.parametrize("titles", [("momentum",), ("mean_reversion",), ("momentum", "mean_reversion")])
def test_the_page_draws_in_a_browser_without_an_error(tmp_path: Path, titles: tuple[str, ...]) -> None:
    page = tmp_path / "sheet.html"
    write_report(page, [made(title) for title in titles])
    document, console = opened(page)
    assert console == []
    assert 'data-ready="yes"' in document
    assert len(re.findall("<canvas", document)) >= 3 * 2
    assert document.count("<tr>") > 50


def test_a_picture_of_the_page_shows_something(tmp_path: Path) -> None:
    page, picture = tmp_path / "sheet.html", tmp_path / "sheet.png"
    write_report(page, [made()])
    _, console = opened(page, picture=picture)
    assert console == []
    drawn = pixels(picture)
    assert len(drawn) >= WIDTH * HEIGHT * 3
    assert sum(1 for byte in drawn if byte) > 100_000, "almost every row repeats the one above: an empty page"


def test_an_error_in_the_page_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "sheet.html"
    write_report(page, [made() | {"metrics": None}])
    document, console = opened(page)
    assert any("TypeError" in line for line in console)
    assert 'data-ready="yes"' not in document


def test_the_page_loads_nothing_and_names_the_licence_of_its_charts(tmp_path: Path) -> None:
    page = tmp_path / "sheet.html"
    write_report(page, [made() | {"title": "</script><script>alert(1)</script>"}])
    text = page.read_text()
    assert "default-src 'none'" in text
    assert re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"(?!data:)", text) == []
    assert "<script>alert(1)" not in text
    assert "Apache License 2.0" in text


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--report .*no/such/sheet\.html: cannot be written"):
        write_report(tmp_path / "no" / "such" / "sheet.html", [made()])
