"""Subjects, streams, permissions and messages, as pages, JSON Schemas and one AsyncAPI document."""

from __future__ import annotations

import json
from typing import Any, Final

from pitwire.cli.reference import markdown as md
from pitwire.common import registry, topology
from pitwire.common.config import PitwireConfig
from pitwire.common.permissions import Identity, identity_names, server_config
from pitwire.common.registry import FLOWS, Flow
from pitwire.common.schemas.base import Message
from pitwire.common.topology import PRINCIPALS, STREAMS, Stream

Json = dict[str, Any]
ASYNCAPI_VERSION: Final = "3.0.0"
SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def pages(config: PitwireConfig) -> dict[str, str]:
    """Path below docs/reference -> text."""
    found = {
        "subjects.md": subjects_page(),
        "streams.md": streams_page(),
        "permissions.md": permissions_page(config),
        "messages.md": messages_page(),
        "asyncapi.json": _json(asyncapi()),
    }
    for name, model in sorted(registry.SCHEMAS.items()):
        found[f"messages/{model.__name__}.json"] = _json(message_schema(name, model))
    return found


def subjects_page() -> str:
    """Every flow: subject, messages, writers, readers."""
    rows = [
        [
            md.code(flow.subject),
            md.codes(model.__name__ for model in flow.models),
            _who(flow.writers),
            _who(flow.readers),
            md.code(flow.stream.name) if flow.stream else "core, not kept",
            flow.doc,
        ]
        for flow in FLOWS
    ]
    notes = (
        "A token in braces is variable. `partition` is `crc32(account) % 64`, for ever. Every message carries its "
        "schema in the header `Schema` (for example `OrderIntent/1`) and, where one is known, the W3C context in "
        "`traceparent`. A message whose schema does not belong on its subject is refused and set aside, never guessed."
    )
    header = ["subject", "messages", "written by", "read by", "stream", "what it is"]
    return md.page("Subjects", "`pitwire.common.registry`", notes, md.table(header, rows))


def _who(names: tuple[str, ...]) -> str:
    return "everybody" if "*" in names else ", ".join(names) or "nobody yet"


def streams_page() -> str:
    """Every stream: what it keeps and how."""
    rows = [_stream_row(stream) for stream in STREAMS]
    header = ["stream", "account", "subjects", "waits for the disk", "keeps", "when full", "copied to", "what it is"]
    notes = (
        "`pitwire topology apply` creates and updates them; nothing is created by subscribing. A copy has the name of "
        "its original, is read only for its account, and is rebuilt from the original when lost; cursors count the "
        "original's sequence."
    )
    return md.page("Streams", "`pitwire.common.topology`", notes, md.table(header, rows))


def _stream_row(stream: Stream) -> list[str]:
    keeps = [f"{stream.max_bytes // topology.MEBIBYTE} MiB"]
    if stream.max_age_s:
        keeps.append(f"{stream.max_age_s} s")
    if stream.per_subject_max > 0:
        keeps.append(f"{stream.per_subject_max} a subject")
    return [
        md.code(stream.name),
        stream.account.value,
        md.codes(stream.subjects),
        "yes" if stream.durability is topology.Durability.SYNC else "no",
        ", ".join(keeps),
        "refuses the new" if stream.discard == "new" else "drops the oldest",
        ", ".join(account.value for account in stream.copied_to),
        stream.doc,
    ]


def permissions_page(config: PitwireConfig) -> str:
    """Each identity and exactly what it may do, for the shipped configuration."""
    identities = {name: Identity(name, account, name, "") for name, account in identity_names()}
    accounts = server_config(config, identities)["accounts"]
    notes = (
        "Deny by default: what is not listed is refused by the server. Literal account and strategy names are those of "
        "the shipped `pitwire.toml`."
    )
    parts: list[str] = [
        notes,
        md.table(
            ["principal", "account", "reads", "what it is"],
            [[p.name, p.account.value, md.codes(s.name for s in p.reads), p.doc] for p in PRINCIPALS],
        ),
    ]
    for account, settings in accounts.items():
        parts.append(f"## Account {account}")
        parts += [_user_part(user) for user in settings["users"]]
        parts.append(md.table(["direction", "kind", "subject", "with"], _crossings(settings)))
    return md.page("Permissions", "`pitwire.common.permissions`", *parts)


def _user_part(user: Json) -> str:
    permissions = user["permissions"]
    rows = [["publish", md.code(subject)] for subject in permissions["publish"]["allow"]]
    rows += [["subscribe", md.code(subject)] for subject in permissions["subscribe"]["allow"]]
    return f"### {user['nkey']}\n\n" + md.table(["may", "subject"], rows)


def _crossings(settings: Json) -> list[list[str]]:
    rows: list[list[str]] = []
    for export in settings["exports"]:
        kind = "stream" if "stream" in export else "service"
        rows.append(["export", kind, md.code(export[kind]), ", ".join(str(a) for a in export["accounts"])])
    for item in settings["imports"]:
        kind = "stream" if "stream" in item else "service"
        rows.append(["import", kind, md.code(item[kind]["subject"]), str(item[kind]["account"])])
    return rows


def messages_page() -> str:
    """Every message, field by field."""
    notes = (
        "Decimals are text, times are integer nanoseconds since 1970 (UTC), enums are closed. Fields are only added "
        "within a major version; a reader ignores fields it does not know. The JSON Schemas stand in `messages/`."
    )
    parts = [notes]
    for name, model in sorted(registry.SCHEMAS.items()):
        flows = [flow.subject for flow in FLOWS if model in flow.models]
        rows = [_field_row(field, spec, model) for field, spec in _properties(model).items()]
        parts.append(
            f"## {model.__name__}\n\n{_summary(model)}\n\nSchema {md.code(name)} on {md.codes(flows)}; "
            f"[JSON Schema](messages/{model.__name__}.json)\n\n"
            + md.table(["field", "type", "needed", "meaning"], rows)
        )
    return md.page("Messages", "`pitwire.common.schemas`", *parts)


def _summary(model: type[Message]) -> str:
    return " ".join((model.__doc__ or "").split())


def _properties(model: type[Message]) -> Json:
    found: Json = model.model_json_schema()["properties"]
    return found


def _field_row(field: str, spec: Json, model: type[Message]) -> list[str]:
    needed = model.model_fields[field].is_required()
    return [md.code(field), _type_text(spec), "yes" if needed else "", str(spec.get("description", ""))]


def _type_text(spec: Json) -> str:
    if "$ref" in spec:
        return str(spec["$ref"]).rsplit("/", 1)[1]
    if "const" in spec:
        return f"`{spec['const']}`"
    for key in ("anyOf", "oneOf"):
        if key in spec:
            return " or ".join(dict.fromkeys(_type_text(part) for part in spec[key]))
    if spec.get("type") == "array":
        inner = spec.get("items") or {}
        return f"list of {_type_text(inner)}" if inner else "list"
    if spec.get("type") == "object":
        inner = spec.get("additionalProperties")
        return f"map of {_type_text(inner)}" if isinstance(inner, dict) else "map"
    return str(spec.get("type", "any"))


def message_schema(name: str, model: type[Message]) -> Json:
    """The JSON Schema of one message as it stands on the wire."""
    return {"$schema": SCHEMA_DIALECT, "$id": f"pitwire:{name}"} | model.model_json_schema(mode="serialization")


def asyncapi() -> Json:
    """The bus as AsyncAPI 3: one channel per flow, one operation per direction, every message by reference."""
    channels: Json = {}
    operations: Json = {}
    for flow in FLOWS:
        key = _channel_key(flow)
        channels[key] = {
            "address": flow.subject,
            "description": flow.doc,
            "messages": {m.__name__: {"$ref": f"#/components/messages/{m.__name__}"} for m in flow.models},
            "parameters": {name: {"description": f"the {name} token"} for name in _variables(flow.subject)},
        }
        for action, names in (("send", flow.writers), ("receive", flow.readers)):
            for name in names:
                who = "everybody" if name == "*" else name
                operations[f"{who}-{action}-{key}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{key}"},
                    "summary": f"{who} {action}s: {flow.doc}",
                }
    messages, schemas = _components()
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Pitwire bus",
            "version": "1",
            "description": "Every flow on the bus, made from the registry.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def _components() -> tuple[Json, Json]:
    """The messages, and the parts they share, each once."""
    messages: Json = {}
    schemas: Json = {}
    for name, model in sorted(registry.SCHEMAS.items()):
        payload = model.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        schemas |= payload.pop("$defs", {})
        messages[model.__name__] = {
            "name": name,
            "contentType": "application/json",
            "summary": _summary(model),
            "payload": payload,
        }
    return messages, schemas


def _channel_key(flow: Flow) -> str:
    return "-".join(part.strip("{}") for part in flow.subject.split("."))


def _variables(subject: str) -> list[str]:
    return [part[1:-1] for part in subject.split(".") if part.startswith("{")]


def _json(document: Json) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
