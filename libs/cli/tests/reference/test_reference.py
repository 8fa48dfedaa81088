"""The generated half of the documentation is current, complete and valid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pitwire.cli.app import app
from pitwire.cli.reference import bus_pages, code_pages, markdown, metrics_page, settings_pages
from pitwire.cli.reference.build import all_pages, build_docs, differences
from pitwire.cli.reference.meanings import ANOMALIES, NOT_SENT
from pitwire.common import registry
from pitwire.common.codec import encode
from pitwire.common.config import ServiceSettings
from pitwire.common.enums import DenialCode, HaltScope, NotSentReason
from pitwire.common.order_transitions import AnomalyCode
from pitwire.common.refusals import REFUSALS
from pitwire.common.schemas.control import Heartbeat
from pitwire.common.schemas.ledger import Halt

ROOT = Path(__file__).parents[4]
CONFIG = ROOT / "pitwire.toml"


def test_the_committed_reference_is_what_its_sources_say() -> None:
    found = differences(ROOT / "docs" / "reference", all_pages(CONFIG, app))
    assert not found, "run `make docs`: " + "; ".join(found)


def test_a_changed_a_missing_and_a_stray_page_are_each_found(tmp_path: Path) -> None:
    build_docs(tmp_path, CONFIG, app, check=False)
    assert build_docs(tmp_path, CONFIG, app, check=True).code == 0
    (tmp_path / "subjects.md").write_text("changed")
    (tmp_path / "streams.md").unlink()
    (tmp_path / "messages" / "Gone.json").write_text("{}")
    assert differences(tmp_path, all_pages(CONFIG, app)) == [
        "streams.md is missing",
        "subjects.md differs from its source",
        "messages/Gone.json has no source",
    ]
    assert build_docs(tmp_path, CONFIG, app, check=True).code == 1
    build_docs(tmp_path, CONFIG, app, check=False)
    assert differences(tmp_path, all_pages(CONFIG, app)) == []


def test_every_code_has_a_meaning() -> None:
    assert set(REFUSALS) == set(DenialCode)
    assert set(ANOMALIES) == set(AnomalyCode)
    assert set(NOT_SENT) == set(NotSentReason)
    assert all(code.value in code_pages.denial_codes_page() for code in DenialCode)


def test_no_two_errors_share_a_code_and_each_stands_in_the_page() -> None:
    page = code_pages.errors_page()
    found = list(code_pages.all_errors())
    assert len(found) > 25
    assert len({error.code for error in found}) == len(found)
    assert all(f"| `{error.code}` | {error.__name__} |" in page for error in found)


def test_every_error_and_refusal_is_really_used() -> None:
    """Drawn, listed and never raised would be a promise that nobody keeps."""
    sources = [path for folder in ("libs", "services") for path in (ROOT / folder).glob("*/src/**/*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources if path.name != "refusals.py")
    used = set(re.findall(r"\b([A-Z]\w+)(?:\(|\.code\b)", re.sub(r"class \w+\(.*", "", text)))
    raised = [kind for kind in code_pages.all_errors() if not kind.__subclasses__()]
    assert not [kind.__name__ for kind in (*raised, *REFUSALS.values()) if kind.__name__ not in used]


def test_every_flow_and_every_message_has_its_place() -> None:
    subjects_page, messages_page = bus_pages.subjects_page(), bus_pages.messages_page()
    assert all(f"`{flow.subject}`" in subjects_page for flow in registry.FLOWS)
    assert all(f"## {model.__name__}\n" in messages_page for model in registry.SCHEMAS.values())


@pytest.mark.parametrize("name", sorted(registry.SCHEMAS))
def test_every_json_schema_is_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(bus_pages.message_schema(name, registry.SCHEMAS[name]))


def test_messages_as_they_are_encoded_fit_their_json_schema() -> None:
    halt = Halt(halt_id="h", scope=HaltScope.ALL, reason="r", source="operator")
    beat = Heartbeat(service="strategy", slot="0", instance="i", ts_ns=1)
    for message in (halt, beat):
        jsonschema.validate(json.loads(encode(message)), bus_pages.message_schema("x", type(message)))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"halt_id": "h"}, bus_pages.message_schema("x", Halt))


def test_asyncapi_refers_only_to_what_is_there() -> None:
    document = bus_pages.asyncapi()
    assert document["asyncapi"] == "3.0.0"
    assert len(document["channels"]) == len(registry.FLOWS)
    for reference in references(document):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    for channel in document["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"])


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_every_setting_of_a_service_and_every_command_is_described() -> None:
    page = settings_pages.config_page()
    assert all(f"`PITWIRE_{name.upper()}`" in page for name in ServiceSettings.model_fields)
    commands = settings_pages.commands_page(app)
    assert all(f"## pitwire {name}\n" in commands for name in ("up", "halt", "topology apply"))


def test_metrics_are_listed_once() -> None:
    names = re.findall(r"^\| `(\w+)`", metrics_page.metrics_page(), re.MULTILINE)
    assert "pitwire_ready" in names
    assert len(names) == len(set(names))


def test_a_bar_in_a_cell_does_not_break_the_table() -> None:
    assert markdown.table(["a"], [["|x|\ny"]]).splitlines()[-1] == "| \\|x\\| y |"
