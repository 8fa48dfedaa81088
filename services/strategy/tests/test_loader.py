"""Strategies by shipped name, by file, by entry point; every mistake named with key, value and what was expected."""

from __future__ import annotations

import os
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from pitwire.common.errors import ConfigError, InvalidParameter, StrategyNotMade
from pitwire.strategy.adapters import loader
from pitwire.strategy.adapters.loader import load_strategy
from pitwire.strategy.strategies.momentum import Momentum

USER_FILE = """
from __future__ import annotations

from pitwire.strategy import Candle, Decision, Hold, Params, Portfolio


class MineParams(Params):
    length: int = 5


class Mine:
    def __init__(self, params: MineParams) -> None:
        self.params = params

    def on_candle(self, candle: Candle, portfolio: Portfolio) -> Decision:
        return Hold(f"length {self.params.length}")


class Bare:
    def on_trade(self, trade, portfolio):
        return None


class Typo:
    def on_candel(self, candle, portfolio):
        return None


class Silent:
    pass


class Timed:
    def on_timer(self, ts_market_ns, portfolio):
        return None


class Untyped:
    def __init__(self, params):
        self.params = params

    def on_candle(self, candle, portfolio):
        return None


class Fails(Bare):
    def __init__(self):
        raise RuntimeError("no such model")


CONSTANT = 5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(USER_FILE)
    (tmp_path / "broken.py").write_text("import no_such_module_at_all\n")
    return tmp_path


def load(kind: str, folder: Path | None = None, **params: Any) -> Any:
    return load_strategy("one", kind, params, folders=(folder,) if folder else ())


def test_a_shipped_strategy_is_made_with_its_parameters() -> None:
    strategy = load("momentum", fast=7, size_percent="12.5")
    assert isinstance(strategy, Momentum)
    assert (strategy.params.fast, strategy.params.size_percent) == (7, Decimal("12.5"))


def test_a_strategy_of_the_user_is_loaded_from_its_file(folder: Path) -> None:
    strategy = load("mine.py:Mine", folder, length=9)
    assert strategy.params.length == 9
    assert load(f"{folder}/mine.py:Mine").params.length == 5
    assert load("mine.py:Bare", folder).on_trade(None, None) is None


def test_relative_paths_are_tried_from_each_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert load_strategy("one", "mine.py:Mine", {}, folders=(elsewhere, folder))


def test_two_instances_of_one_file_share_nothing(folder: Path) -> None:
    first, second = load("mine.py:Mine", folder, length=2), load("mine.py:Mine", folder, length=3)
    assert (first.params.length, second.params.length) == (2, 3)


def test_an_installed_package_offers_strategies_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("boxed", "pitwire.strategy.strategies.momentum:Momentum", "pitwire.strategies")
    broken = EntryPoint("broken", "pitwire.no_such_module:X", "pitwire.strategies")

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [each for each in (point, broken) if each.group == group]

    monkeypatch.setattr(loader, "entry_points", entry_points)
    assert isinstance(load("boxed"), Momentum)
    with pytest.raises(ConfigError, match=r"strategies\.one\.type: pitwire\.no_such_module:X: ModuleNotFoundError"):
        load("broken")
    with pytest.raises(
        ConfigError, match="'boxd' is not known; known: momentum, mean_reversion, boxed, broken, or path"
    ):
        load("boxd")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("nowhere.py:Mine", r"strategies\.one\.type: no file at .*nowhere\.py"),
        ("mine.py:Yours", "has no class 'Yours'; it has MineParams, Mine, Bare"),
        ("mine.py:CONSTANT", "mine.py:CONSTANT is not a class"),
        ("mine.py:Typo", "has on_candel; a strategy has some of on_start, on_candle"),
        ("mine.py:Silent", "handles no event; a strategy has some of"),
        ("mine.py:Timed", "has on_timer, so it needs timer_seconds greater than 0"),
        (
            "mine.py:Untyped",
            r"params: the first argument of Untyped needs a type derived from pitwire\.strategy\.Params",
        ),
        ("mine.py:Fails", r"strategies\.one: mine\.py:Fails cannot be made: RuntimeError: no such model"),
        ("broken.py:Mine", r"broken\.py: ModuleNotFoundError"),
    ],
)
def test_a_type_that_is_none_is_named_with_the_reason(folder: Path, kind: str, reason: str) -> None:
    with pytest.raises(StrategyNotMade, match=reason):
        load(kind, folder)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"fast": 1}, r"strategies\.one\.params: fast is 1, expected greater than or equal to 2"),
        ({"fast": "many"}, "fast is 'many', expected a valid integer"),
        (
            {"fasst": 3},
            "fasst is 3, expected no such parameter; known: fast, slow, threshold_percent, size_percent, cooldown",
        ),
        ({"fast": 90, "slow": 80}, "fast is 90, expected less than slow"),
        ({"size_percent": "NaN"}, "size_percent is 'NaN', expected a finite number"),
        ({"fast": 1, "cooldown": -1}, "fast is 1, .*; cooldown is -1, expected"),
    ],
)
def test_a_parameter_is_refused_with_name_value_and_what_was_expected(params: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidParameter, match=reason) as refused:
        load("momentum", **params)
    told = [(mistake.name, mistake.value) for mistake in refused.value.mistakes]
    assert told in ([*params.items()], [("", params)])


def test_parameters_for_a_strategy_that_takes_none_are_refused(folder: Path) -> None:
    with pytest.raises(InvalidParameter, match="length is 1, expected no parameters at all: Bare takes none"):
        load("mine.py:Bare", folder, length=1)


def test_a_file_that_was_changed_in_the_same_second_is_loaded_as_it_is_now(tmp_path: Path) -> None:
    """As long as before, and written at once: what Python keeps of it would look current."""
    path = tmp_path / "twice.py"
    found: list[int] = []
    for number in (1, 2):
        path.write_text(f"class Twice:\n    number = {number}\n    def on_candle(self, candle, portfolio): ...\n")
        os.utime(path, (1, 1))
        made = load_strategy("s", "twice.py:Twice", {}, folders=(tmp_path,))
        found.append(int(getattr(made, "number")))  # noqa: B009 - a class of the user's
    assert found == [1, 2]
