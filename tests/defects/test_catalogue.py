"""The planted defects fit the sources as they are, so that `make defects` never tests less than it says."""

from __future__ import annotations

import ast
import builtins
import json
import subprocess
import symtable
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.defects.catalogue import LAST, ROOT, Planted, absent, number_of, page, planted

DEFECTS = planted()
IDS = [f"{defect.id}-{at}" for at, defect in enumerate(DEFECTS)]


@pytest.mark.parametrize("defect", DEFECTS, ids=IDS)
def test_a_defect_applies_and_is_still_python(defect: Planted) -> None:
    changed = defect.applied(ROOT)
    assert changed != (ROOT / defect.file).read_text(encoding="utf-8")
    compile(changed, defect.file, "exec")
    assert not undefined_names(changed), "its test would go red for the wrong reason"


def test_a_name_that_nothing_defines_is_found_wherever_it_stands() -> None:
    text = "import os\n\ndef f(a):\n    return [a + b for b in os.environ] + [lambda: gone]\n\nclass C:\n    x = lost\n"
    assert undefined_names(text) == {"gone", "lost"}
    assert undefined_names("def f():\n    global made\n    made = __file__\n\n\ndef g():\n    return made\n") == set()


@pytest.mark.parametrize("test", sorted({defect.test for defect in DEFECTS}))
def test_the_test_it_names_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_defect_is_planted_or_has_its_reason() -> None:
    told = {row.number for row in DEFECTS} | {number_of(row.id) for row in absent()}
    assert told == set(range(1, LAST + 1))


def test_the_page_says_what_is_planted() -> None:
    assert (ROOT / "docs" / "defects.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_sources_that_moved_on_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\nx = 1\n")
    twice = Planted("S-1", "what", "right", "a.py", "x = 1\n", "x = 2\n", "t.py::test")
    with pytest.raises(ValueError, match=r"S-1 \(what\): its search text stands 2 times in a\.py, expected once"):
        twice.applied(tmp_path)


@pytest.mark.timeout(300)
def test_the_campaign_tells_a_caught_defect_from_a_missed_one(tmp_path: Path) -> None:
    """The real one, on a defect that matters and on a change that does nothing."""
    caught = next(each for each in DEFECTS if each.id == "S-7")
    rows = [asdict(caught), asdict(caught) | {"id": "S-8", "replace": caught.search + "        pass\n"}]
    text = "".join(
        "[[planted]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in row.items()) for row in rows
    )
    (tmp_path / "some.toml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "tests.defects.campaign", "--catalogue", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["planted"], summary["caught"], summary["missed"]) == (2, 1, ["S-8"])
    assert done.returncode == 1


def undefined_names(text: str) -> set[str]:
    """Names that some scope reads from its module, and that neither the module nor Python defines."""
    module = symtable.symtable(text, "patched", "exec")
    scopes = list(_scopes(module))
    defined = {each.get_name() for each in module.get_symbols() if each.is_assigned() or each.is_imported()}
    defined |= {
        each.get_name()
        for scope in scopes
        for each in scope.get_symbols()
        if each.is_declared_global() and each.is_assigned()
    }
    read = {
        each.get_name() for scope in scopes for each in scope.get_symbols() if each.is_global() and each.is_referenced()
    }
    read |= {each.get_name() for each in module.get_symbols() if each.is_referenced()}
    return read - defined - set(dir(builtins)) - {"__file__", "__name__", "__doc__", "__class__"}


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _scopes(child)
