"""The Kubernetes manifests, checked without a cluster: strict schemas, probes, limits, no root, a secret a service."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from pitwire.common.config import ServiceSettings

ROOT = Path(__file__).parents[2]
K8S = ROOT / "deploy" / "k8s"
OVERLAYS = sorted(path.parent for path in K8S.glob("overlays/*/kustomization.yaml"))
MANIFESTS = sorted(path for path in K8S.glob("**/*.yaml") if path.name != "kustomization.yaml")
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
VERSION = "1.31"

Manifest = dict[str, Any]


def documents(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def workloads() -> Iterator[tuple[str, Manifest]]:
    """Name and pod of everything that runs."""
    for path in MANIFESTS:
        for document in documents(path):
            if document["kind"] in {"Deployment", "StatefulSet", "Job"}:
                yield document["metadata"]["name"], document["spec"]["template"]["spec"]


PODS = dict(workloads())


def built(overlay: Path) -> list[Manifest]:
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl to put the overlay together")
    done = subprocess.run(["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_fit_the_schemas_of_kubernetes(path: Path) -> None:
    for document in documents(path):
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_a_manifest_that_does_not_fit_is_told() -> None:
    document = documents(K8S / "base" / "strategy.yaml")[0]
    document["spec"]["replicas"] = "two"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, VERSION, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_overlays_build_and_every_name_they_use_is_there(overlay: Path) -> None:
    manifests = built(overlay)
    for document in manifests:
        kubernetes_validate.validate(document, VERSION, strict=True)
    maps = {document["metadata"]["name"] for document in manifests if document["kind"] == "ConfigMap"}
    used = {name for document in manifests for name in config_maps_of(document)}
    assert used == maps


def test_paper_runs_every_service_and_its_own_servers() -> None:
    names = {
        d["metadata"]["name"] for d in built(K8S / "overlays" / "paper") if d["kind"] in {"Deployment", "StatefulSet"}
    }
    assert names == {*SERVICES, "nats", "postgres"}


def test_with_outside_servers_only_services_are_left() -> None:
    manifests = built(K8S / "overlays" / "outside-servers")
    names = {d["metadata"]["name"] for d in manifests if d["kind"] in {"Deployment", "StatefulSet", "Service"}}
    assert names == set(SERVICES) - {"venue-sim"}


def test_each_service_is_a_deployment_of_its_own_image() -> None:
    images = {name: [c["image"] for c in PODS[name]["containers"]] for name in SERVICES}
    assert images == {name: [f"pitwire/{name}"] for name in SERVICES}


@pytest.mark.parametrize("name", PODS)
def test_no_pod_is_root_or_can_become_more_than_it_is(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]) == {"requests", "limits"}


@pytest.mark.parametrize("name", [*SERVICES, "nats", "postgres"])
def test_whatever_serves_is_probed(name: str) -> None:
    for container in PODS[name]["containers"]:
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_sees_its_own_secret_alone(name: str) -> None:
    secrets = {v["secret"]["secretName"] for v in PODS[name]["volumes"] if "secret" in v}
    assert secrets == {f"pitwire-{name}"}


def test_the_environment_of_services_is_what_they_read() -> None:
    known = {f"PITWIRE_{field.upper()}" for field in ServiceSettings.model_fields} | {"PGPASSWORD"}
    used = {variable["name"] for name in SERVICES for c in PODS[name]["containers"] for variable in c.get("env", [])}
    assert used - known == set()


def config_maps_of(node: Any) -> Iterator[str]:
    """Every ConfigMap that a manifest refers to."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"configMap", "configMapKeyRef"}:
                yield value["name"]
            else:
                yield from config_maps_of(value)
    elif isinstance(node, list):
        for item in node:
            yield from config_maps_of(item)
