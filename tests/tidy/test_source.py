"""House rules on every Python file: it fits the eye, and what is ambient comes in through one seam."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import Protocol

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
REASON_LENGTH_MIN = 10

# The only files that may ask the machine for the time or for randomness, or write to the terminal.
CLOCKS = {"libs/common/src/pitwire/common/clock.py", "services/venue-sim/src/pitwire/venue_sim/clock.py"}
TERMINALS = {"libs/cli/src/pitwire/cli/output.py"}
SUBJECTS = {"libs/common/src/pitwire/common/subjects.py"}
# A generator that is seeded by its caller is no ambient randomness.
SEAMS: dict[str, set[str]] = {
    "time.time": CLOCKS,
    "time.time_ns": CLOCKS,
    "datetime.now": CLOCKS,
    "datetime.utcnow": CLOCKS,
    "datetime.datetime.now": CLOCKS,
    "datetime.datetime.utcnow": CLOCKS,
    "date.today": CLOCKS,
    "uuid.uuid1": CLOCKS,
    "uuid.uuid4": CLOCKS,
    "uuid4": CLOCKS,
    "os.urandom": CLOCKS,
    "print": TERMINALS,
}
AMBIENT_MODULES = ("random.", "secrets.")
SEEDED = {"random.Random"}
SUBJECT_ROOTS = ("oms.", "md.", "int.", "ctl.", "dlq.")
SUPPRESSION = re.compile(
    r"#\s*(noqa|type:\s*ignore|pyright:\s*ignore|mypy:|ruff:|pragma:)(?P<rest>[^#]*)(#(?P<next>.*))?"
)


class Source(Protocol):
    """A file of `conftest.Source`."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def tree(self) -> ast.Module: ...
    @property
    def is_product(self) -> bool: ...


def test_files_are_at_most_400_lines(sources: list[Source]) -> None:
    assert [s.name for s in sources if s.text.count("\n") > FILE_LINES_MAX] == []


def test_functions_are_at_most_70_lines(sources: list[Source]) -> None:
    long = [
        f"{source.name}:{node.lineno} {node.name}"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of(node) > FUNCTION_LINES_MAX
    ]
    assert not long, "\n".join(long)


def test_time_randomness_and_the_terminal_are_asked_for_in_one_place_each(sources: list[Source]) -> None:
    strays = [
        f"{source.name}:{line} {name}"
        for source in sources
        if source.is_product
        for line, name in calls(source.tree)
        if is_ambient(name, source.name)
    ]
    assert not strays, "\n".join(strays)


def test_subjects_are_spelled_in_one_module(sources: list[Source]) -> None:
    strays = [
        f"{source.name}:{line} {text!r}"
        for source in sources
        if source.is_product and source.name not in SUBJECTS
        for line, text in literals(source.tree)
        if text.startswith(SUBJECT_ROOTS)
    ]
    assert not strays, "\n".join(strays)


def test_nothing_is_left_to_do(sources: list[Source]) -> None:
    marker = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b")
    assert [s.name for s in sources if marker.search(s.text)] == []


def test_every_suppression_names_its_rule_and_its_reason(sources: list[Source]) -> None:
    bare = [
        f"{source.name}:{line} {comment}"
        for source in sources
        if SUPPRESSION.search(source.text)
        for line, comment in comments(source.text)
        if not is_explained(comment)
    ]
    assert not bare, "\n".join(bare)


def test_every_module_says_what_it_is_for(sources: list[Source]) -> None:
    assert [s.name for s in sources if s.text.strip() and ast.get_docstring(s.tree) is None] == []


def test_the_rules_see_what_they_forbid() -> None:
    tree = ast.parse("import time\nx = time.time()\nrandom.random()\nrandom.Random(3)\nprint(f'oms.{x}')\n")
    assert [name for _, name in calls(tree) if is_ambient(name, "file")] == ["time.time", "random.random", "print"]
    assert [text for _, text in literals(tree)] == ["oms."]
    assert not is_explained("# type: ignore[arg-type]")
    assert not is_explained("# noqa")
    assert not is_explained("# noqa - because I say so")
    assert is_explained("# noqa: BLE001 - the last stop of the process")
    assert is_explained("# type: ignore[arg-type] # the library lies about None")
    assert is_explained("# an ordinary comment")


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function, parts = node.func, list[str]()
            while isinstance(function, ast.Attribute):
                parts.append(function.attr)
                function = function.value
            if isinstance(function, ast.Name):
                yield node.lineno, ".".join([function.id, *reversed(parts)])


def is_ambient(name: str, file: str) -> bool:
    if name.startswith(AMBIENT_MODULES):
        return name not in SEEDED and file not in CLOCKS
    return name in SEAMS and file not in SEAMS[name]


def literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string that is not a docstring; of an f-string, its first words."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def is_explained(comment: str) -> bool:
    """False for a suppression without a rule or without a reason; True for it with both, and for other comments."""
    match = SUPPRESSION.search(comment)
    if not match:
        return True
    rest = match.group("rest")
    rule = re.match(r"\s*(:\s*[A-Z]+\d+|\[[\w, -]+\]|no (cover|branch))", rest)
    if not rule:
        return False
    reason = rest[rule.end() :].strip(" -:,") or (match.group("next") or "").strip()
    return len(reason) >= REASON_LENGTH_MIN
