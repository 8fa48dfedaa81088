"""The Makefile on a bare machine: a checkout in a folder with a space, an ordinary user, no network.

What a first set-up fetches comes from the caches of this machine; where they are not filled, or the kernel lets nobody
make a namespace, those tests are skipped with the reason.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(240)

ROOT = Path(__file__).parents[2]
UV_WHEEL = ROOT / ".pitwire" / "cache" / "uv-wheel"
# A user without rights and without a network, whoever runs the tests.
ALONE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--net", "--")
TOOLS = ("make", "sh", "awk", "cksum", "cut", "rm", "sed", "touch")
NOT_CACHED = "the network was disabled", "wasn't found in the cache"


def clean_env(**settings: str) -> dict[str, str]:
    """The environment without what an outer make, an activated environment or a setting of Pitwire left in it."""
    left = ("MAKE", "MFLAGS", "PITWIRE_", "PIP_", "UV_", "VIRTUAL_ENV")
    return {key: value for key, value in os.environ.items() if not key.startswith(left)} | settings


def run(*words: str | Path, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=clean_env() if env is None else env,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every tracked file as it is now, and nothing else."""
    folder = tmp_path_factory.mktemp("somebody") / "a checkout"
    listed = run("git", "ls-files", "-z", cwd=ROOT)
    if listed.returncode != 0:
        pytest.skip("which files belong to the project is known to git, and this is no clone")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def test_make_alone_lists_every_target_with_its_purpose(checkout: Path) -> None:
    said = run("make", cwd=checkout)
    assert said.returncode == 0, said.stderr
    listed = dict(re.findall(r"^  make (\S+) +(\S.*)$", said.stdout, re.MULTILINE))
    declared = re.search(r"^\.PHONY: (.*)$", (checkout / "Makefile").read_text(), re.MULTILINE)
    assert declared
    assert set(listed) == set(declared[1].split()) - {"FORCE"}
    assert not (checkout / ".venv").exists()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder for PATH in which the tools that make needs are, and no Python."""
    for tool in TOOLS:
        found = shutil.which(tool)
        if found is None:
            pytest.skip(f"no {tool} here")
        (tmp_path / tool).symlink_to(found)
    return tmp_path


def fake_python(path: Path, *, version: str, condition: str) -> None:
    path.write_text(f'#!/bin/sh\n[ "$1" != -V ] || {{ echo Python {version}; exit; }}\n{condition}\n')
    path.chmod(0o755)


@pytest.mark.parametrize("named", [False, True], ids=["on PATH", "named"])
def test_an_old_python_is_refused_with_its_version_and_the_way_out(checkout: Path, bare: Path, named: bool) -> None:
    fake_python(bare / ("old python" if named else "python3"), version="3.9.2", condition="exit 1")
    words = (f"PYTHON={bare}/old python",) if named else ()
    said = run("make", "setup", *words, cwd=checkout, env=clean_env(PATH=str(bare)))
    assert said.returncode == 2
    assert (
        "Pitwire needs Python 3.11 or newer; found: Python 3.9.2. Install it, or name it: make PYTHON=" in said.stderr
    )
    assert not (checkout / ".venv").exists()


def test_a_machine_without_any_python_is_told_what_it_needs(checkout: Path, bare: Path) -> None:
    said = run("make", "run", cwd=checkout, env=clean_env(PATH=str(bare)))
    assert said.returncode == 2
    assert "Pitwire needs Python 3.11 or newer" in said.stderr


def test_a_python_without_venv_is_told_the_package_to_install(checkout: Path, bare: Path) -> None:
    fake_python(bare / "python3", version="3.11.2", condition='case "$2" in *venv*) exit 1;; esac')
    said = run("make", "setup", cwd=checkout, env=clean_env(PATH=str(bare)))
    assert said.returncode == 2
    assert "Python 3.11.2 has no venv module" in said.stderr
    assert "apt-get install python3-venv" in said.stderr


@pytest.fixture(scope="module")
def offline() -> dict[str, str]:
    """An environment in which uv takes all from its cache, and pip takes uv from a folder."""
    if not shutil.which("unshare") or run(*ALONE, "true", cwd=ROOT).returncode != 0:
        pytest.skip("this kernel lets nobody make a user and network namespace")
    pinned = re.search(r"^uv==.*?[^\\]$", (ROOT / "requirements.lock").read_text(), re.MULTILINE | re.DOTALL)
    assert pinned
    version = pinned[0].split()[0].removeprefix("uv==")
    if not list(UV_WHEEL.glob(f"uv-{version}-*.whl")):
        UV_WHEEL.mkdir(parents=True, exist_ok=True)
        (UV_WHEEL / "uv.lock").write_text(pinned[0] + "\n")
        pip = (
            sys.executable,
            "-m",
            "pip",
            "download",
            "-qq",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
        )
        got = run(*pip, "-r", UV_WHEEL / "uv.lock", "-d", UV_WHEEL, cwd=ROOT, env=dict(os.environ))
        if got.returncode != 0:
            pytest.skip(f"uv cannot be downloaded once: {got.stderr[-300:]}")
    path = f"{Path(sys.base_prefix) / 'bin'}:{os.environ['PATH']}"
    cache = {key: value for key, value in os.environ.items() if key == "UV_CACHE_DIR"}
    return clean_env(PATH=path, UV_OFFLINE="1", PIP_NO_INDEX="1", PIP_FIND_LINKS=UV_WHEEL.as_uri(), **cache)


@pytest.fixture(scope="module")
def ready(checkout: Path, offline: dict[str, str]) -> Iterator[Path]:
    """Set up by `make`, after the checkout came here from another place with the environment it had there."""
    before = checkout.with_name("before")
    checkout.rename(before)
    assert run(sys.executable, "-m", "venv", "--without-pip", ".venv", cwd=before).returncode == 0
    (before / ".venv" / ".ready-1").touch()
    before.rename(checkout)
    assert run("make", "-q", "setup", cwd=checkout, env=offline).returncode == 1
    said = run(*ALONE, "make", "setup", cwd=checkout, env=offline)
    if said.returncode != 0:
        log = "".join(path.read_text() for path in checkout.glob(".venv/uv.log"))
        if any(words in log for words in NOT_CACHED):
            pytest.skip(f"the cache of uv does not hold everything: {log[-300:]}")
        pytest.fail(f"{said.stdout}\n{said.stderr}\n{log}")
    yield checkout
    shutil.rmtree(checkout / ".venv")


def test_an_ordinary_user_sets_up_in_a_folder_with_a_space_and_without_a_network(
    ready: Path, offline: dict[str, str]
) -> None:
    assert run(*ALONE, "make", "-q", "setup", cwd=ready, env=offline).returncode == 0, "it would set up again"


def test_a_moved_checkout_has_no_script_that_starts_what_was_elsewhere(ready: Path) -> None:
    for script in ("pitwire", "lint-imports"):
        said = run("sh", "-c", f". .venv/bin/activate && {script} --help", cwd=ready)
        assert said.returncode == 0, said.stderr
    scripts = [path for path in (ready / ".venv" / "bin").iterdir() if path.is_file() and not path.is_symlink()]
    before = os.fsencode(ready.with_name("before"))
    assert [path.name for path in scripts if before in path.read_bytes()] == []


def test_make_run_hands_on_what_it_was_given_whole(ready: Path, offline: dict[str, str]) -> None:
    said = run(*ALONE, "make", "run", "DATA=no such folder", "FOR=5", cwd=ready, env=offline)
    assert said.returncode == 2
    assert "no such folder" in said.stderr
