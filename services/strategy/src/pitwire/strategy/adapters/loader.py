"""Finds a strategy's class by its configured `type`, checks it and its parameters, and makes one instance."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType
from typing import Any, Final, get_type_hints

from pydantic import ValidationError
from typing_extensions import override

from pitwire.common.errors import InvalidParameter, Mistake, StrategyNotMade
from pitwire.common.ids import content_hash
from pitwire.strategy.core.api import EVENTS, Params
from pitwire.strategy.strategies import SHIPPED

ENTRY_POINT_GROUP: Final = "pitwire.strategies"


def load_strategy(name: str, kind: str, params: Mapping[str, Any], *, folders: tuple[Path, ...]) -> object:
    """The instance that `strategies.<name>` configures.

    `StrategyNotMade` and `InvalidParameter` name the key, the value and what was expected.

    `kind` is a shipped name, `path/to/file.py:Class` (relative paths are tried from each of `folders`), or the name of
    an entry point in the group `pitwire.strategies`. Nothing a user's file raises gets out as anything else.
    """
    where = f"strategies.{name}"
    found = strategy_class(kind, where=f"{where}.type", folders=folders)
    checked = checked_params(found, params, where=f"{where}.params")
    try:
        return found() if checked is None else found(checked)
    except Exception as error:
        raise StrategyNotMade(where=where, what=f"{kind} cannot be made: {type(error).__name__}: {error}") from error


def strategy_class(kind: str, *, where: str, folders: tuple[Path, ...]) -> type:
    """The class, with at least one event it handles and none that does not exist."""
    found: Any = SHIPPED.get(kind)
    path = strategy_file(kind, where=where, folders=folders)
    if path is not None:
        found = _from_file(path, kind.rpartition(":")[2], where)
    if found is None:
        found = _from_package(kind, where)
    if not inspect.isclass(found):
        raise StrategyNotMade(where=where, what=f"{kind} is not a class")
    wrong = [each for each in vars(found) if each.startswith("on_") and each not in EVENTS]
    if wrong or not any(hasattr(found, event) for event in EVENTS):
        what = f"has {', '.join(wrong)}" if wrong else "handles no event"
        raise StrategyNotMade(where=where, what=f"{kind} {what}; a strategy has some of {', '.join(EVENTS)}")
    if hasattr(found, "on_timer") and not getattr(found, "timer_seconds", 0) > 0:
        raise StrategyNotMade(where=where, what=f"{kind} has on_timer, so it needs timer_seconds greater than 0")
    return found


def checked_params(found: type, params: Mapping[str, Any], *, where: str) -> Params | None:
    """The parameters as the class declares them by the type of its first argument; None when it takes none."""
    names = list(inspect.signature(found).parameters)
    if not names:
        if params:
            expected = f"no parameters at all: {found.__name__} takes none"
            raise InvalidParameter(where=where, mistakes=[Mistake(name, params[name], expected) for name in params])
        return None
    declared = get_type_hints(inspect.getattr_static(found, "__init__")).get(names[0])
    if not (inspect.isclass(declared) and issubclass(declared, Params)):
        what = f"the first argument of {found.__name__} needs a type derived from pitwire.strategy.Params"
        raise StrategyNotMade(where=where, what=what)
    try:
        return declared.model_validate(dict(params))
    except ValidationError as error:
        raise InvalidParameter(where=where, mistakes=_mistakes(error, declared)) from None


def _mistakes(error: ValidationError, declared: type[Params]) -> list[Mistake]:
    """Name, value and what was expected, of each."""
    found: list[Mistake] = []
    for item in error.errors():
        expected = item["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        if item["type"] == "extra_forbidden":
            expected = f"no such parameter; known: {', '.join(declared.model_fields)}"
        found.append(Mistake(".".join(str(part) for part in item["loc"]), item["input"], expected))
    return found


class _AsItIs(SourceFileLoader):
    """Compiles what the file holds now: a kept one of the same second and length would pass for it."""

    @override
    def get_code(self, fullname: str) -> CodeType:
        return compile(self.get_data(self.path), self.path, "exec")


def strategy_file(kind: str, *, where: str, folders: tuple[Path, ...]) -> Path | None:
    """The file of `path/to/file.py:Class`; None for what is not in a file of its own.

    Raises:
        StrategyNotMade: there is no such file; the text says where it was looked for.
    """
    if kind in SHIPPED or ":" not in kind:
        return None
    path_text, _, _ = kind.rpartition(":")
    tried = [folder / path_text for folder in folders] if not Path(path_text).is_absolute() else [Path(path_text)]
    path = next((each for each in tried if each.is_file()), None)
    if path is None:
        raise StrategyNotMade(where=where, what=f"no file at {' or '.join(str(each) for each in tried)}")
    return path


def _from_file(path: Path, class_name: str, where: str) -> Any:
    """The class of that name; the same file changed meanwhile is another module."""
    identity = str(path.resolve()).encode() + path.read_bytes()
    module_name = f"pitwire_user_strategy_{content_hash(identity)[:12]}"
    module = sys.modules.get(module_name)
    if module is None:
        spec = importlib.util.spec_from_file_location(module_name, path, loader=_AsItIs(module_name, str(path)))
        if spec is None or spec.loader is None:
            raise StrategyNotMade(where=where, what=f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[module_name]
            raise StrategyNotMade(where=where, what=f"{path}: {type(error).__name__}: {error}") from error
    if not hasattr(module, class_name):
        classes = [
            name for name, each in vars(module).items() if inspect.isclass(each) and each.__module__ == module_name
        ]
        raise StrategyNotMade(
            where=where, what=f"{path} has no class {class_name!r}; it has {', '.join(classes) or 'none'}"
        )
    return getattr(module, class_name)


def _from_package(kind: str, where: str) -> Any:
    installed = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    point = installed.get(kind)
    if point is None:
        known = ", ".join([*SHIPPED, *installed])
        raise StrategyNotMade(where=where, what=f"{kind!r} is not known; known: {known}, or path/to/file.py:Class")
    try:
        return point.load()
    except Exception as error:
        raise StrategyNotMade(where=where, what=f"{point.value}: {type(error).__name__}: {error}") from error
