"""The hand-written half of the documentation: links lead somewhere, decisions have their parts, the README is short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
    found = re.search(r"^Date: \d{4}-\d{2}-\d{2}\. Status: (\w+)\.$", text, re.MULTILINE)
    assert found is not None
    assert found.group(1) in STATUS
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


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
    from pitwire.common.codec import decode
    from pitwire.common.schemas.ledger import Halt

    found = re.search(r"oms\.halt\.operator \\\n\s+'(\{.*\})'", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    assert decode(Halt, found.group(1).encode(), subject="oms.halt.operator").scope == "ALL"


def test_glossary_words_stand_in_order_and_once() -> None:
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    words = [row.split(" |")[0].removeprefix("| ").lower() for row in text.splitlines() if row.startswith("| ")][2:]
    assert words == sorted(set(words))
