"""The image recipe and the compose stack, checked without an engine: valid, hardened, complete, no secret in them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pitwire.common.config import ServiceSettings, load_config

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
OFFLINE = ROOT / "deploy" / "compose.offline.yaml"
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
LIBPQ = {"PGPASSWORD", "PGDATA"}


def stack() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in argv], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_image_recipe_passes_the_linter() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = run(hadolint, "deploy/Dockerfile")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", [COMPOSE, OFFLINE], ids=["stack", "offline"])
def test_compose_files_fit_the_specification(file: Path) -> None:
    done = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not shutil.which("docker"), reason="no docker client")
def test_compose_accepts_the_stack() -> None:
    if run("docker", "compose", "version").returncode != 0:
        pytest.skip("the docker client has no compose plugin")
    done = run("docker", "compose", "-f", COMPOSE, "-f", OFFLINE, "config", "-q")
    assert done.returncode == 0, done.stderr


def test_every_service_is_in_the_stack_with_an_image_of_its_own() -> None:
    services = stack()["services"]
    built = {name: service["build"]["args"]["SERVICE"] for name, service in services.items() if "build" in service}
    assert built == {name: name for name in SERVICES} | {"prepare": "cli"}
    assert {services[name]["image"] for name in SERVICES} == {f"pitwire/{name}" for name in SERVICES}


@pytest.mark.parametrize("name", stack()["services"])
def test_every_container_is_hardened(name: str) -> None:
    service = stack()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] > 0
    assert "privileged" not in service
    assert "ports" not in service, "nothing of the stack is reachable from outside unless somebody asks for it"


def test_each_secret_is_mounted_by_one_service_alone() -> None:
    users: dict[str, list[str]] = {}
    for name, service in stack()["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.endswith("-secrets") and name != "prepare":
                users.setdefault(source, []).append(name)
    assert {source: names for source, names in users.items() if len(names) != 1} == {}


def test_no_password_stands_in_the_stack() -> None:
    words = [
        f"{name}: {key}={value}"
        for name, service in stack()["services"].items()
        for key, value in service.get("environment", {}).items()
        if ("PASSWORD" in key and not key.endswith("_FILE")) or ("://" in str(value) and str(value).count(":") > 2)
    ]
    assert words == []


def test_the_environment_of_services_is_what_they_read() -> None:
    known = {f"PITWIRE_{field.upper()}" for field in ServiceSettings.model_fields} | {"PITWIRE_CONFIG"}
    strangers = {
        f"{name}: {key}"
        for name, service in stack()["services"].items()
        if name in SERVICES
        for key in service.get("environment", {})
        if key not in known | LIBPQ
    }
    assert strangers == set()


def test_the_configuration_of_the_stack_is_the_shipped_one_with_other_addresses() -> None:
    committed = ROOT / "deploy" / "config" / "pitwire.toml"
    made = run("/bin/sh", "deploy/config/derive.sh")
    assert committed.read_text() == made.stdout, "run `make docs`"
    venues = load_config(committed).venues.values()
    assert {
        word for venue in venues for word in (venue.rest, venue.ws, venue.ws_api) if "venue-sim:8480" not in word
    } == set()


@pytest.mark.parametrize("script", sorted(ROOT.glob("deploy/**/*.sh")), ids=lambda path: path.name)
def test_shell_scripts_are_shell(script: Path) -> None:
    done = run("/bin/sh", "-n", script)
    assert done.returncode == 0, done.stderr
