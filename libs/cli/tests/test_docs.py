"""The hand-written half of the documentation: links lead somewhere, decisions have their parts, the README is short."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pitwire.common.codec import decode
from pitwire.common.schemas.ledger import Halt
from pitwire.strategy import Candle, Hold
from pitwire.strategy.adapters.loader import load_strategy

ROOT = Path(__file__).parents[3]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "adr").glob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
STATUS = ("proposed", "accepted", "superseded")
README_LINES_MAX = 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_something_that_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_every_decision_has_number_date_status_context_decision_and_consequences(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.name[:4]} ")
    found = re.search(
        r"^Date: \d{4}-\d{2}-\d{2}\. Status: (\w+)\.(?: (?:Adds to|Replaces) \d{4}(?: and \d{4})*\.)?$",
        text,
        re.MULTILINE,
    )
    assert found is not None
    assert found.group(1) in STATUS
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [section for section in sections if section != "Alternatives"] == ["Context", "Decision", "Consequences"]


def test_the_index_lists_every_decision_once_with_its_title_and_status() -> None:
    rows = re.findall(r"^\| \[(.*)\]\((.*)\) \| (\w+) \|$", (ROOT / "docs/adr/README.md").read_text(), re.MULTILINE)
    expected = []
    for page in DECISIONS:
        text = page.read_text(encoding="utf-8")
        status = re.search(r"Status: (\w+)", text)
        assert status is not None
        expected.append((text.splitlines()[0].removeprefix("# "), page.name, status.group(1)))
    assert rows == expected


def test_the_readme_is_short_and_has_a_picture() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= README_LINES_MAX
    assert "```mermaid" in text


def test_the_halt_in_the_readme_is_a_halt() -> None:
    found = re.search(r"oms\.halt\.operator '(\{.*\})'", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    assert decode(Halt, found.group(1).encode(), subject="oms.halt.operator").scope == "ALL"


def readme_strategy() -> str:
    """The strategy that the README shows, as a file."""
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found.group(1)


class FakePortfolio:
    """As much of a portfolio as the strategy of the README looks at."""

    capital = Decimal(1000)

    def quantity_for(self, instrument_id: str, value: Decimal, price: Decimal) -> Decimal:
        return value / price


def test_the_strategy_in_the_readme_is_loaded_from_its_file_and_buys_the_dip(tmp_path: Path) -> None:
    (tmp_path / "dip.py").write_text(readme_strategy())
    strategy: Any = load_strategy("dip", "dip.py:Dip", {"length": 3}, folders=(tmp_path,))
    said = [strategy.on_candle(candle(price), FakePortfolio()) for price in (100, 100, 100, 80, 120)]
    assert isinstance(said[1], Hold)
    wanted = [answer.quantity for answer in said[2:]]
    assert wanted == [0, Decimal("1.25"), 0]


def candle(price: int) -> Candle:
    value = Decimal(price)
    return Candle(
        instrument_id="BTC-USDT.sim",
        epoch="e",
        sequence=1,
        ts_event_ns=1,
        ts_recv_ns=1,
        interval="1m",
        open_time_ns=0,
        close_time_ns=60_000_000_000,
        open=value,
        high=value,
        low=value,
        close=value,
        volume=value,
    )


def test_glossary_words_stand_in_order_and_once() -> None:
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    words = [row.split(" |")[0].removeprefix("| ").lower() for row in text.splitlines() if row.startswith("| ")][2:]
    assert words == sorted(set(words))
