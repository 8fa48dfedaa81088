"""A container engine to run the stack on: the one of this machine, or a private one made for the test.

The private one is Debian's docker.io, unpacked beside the system and never installed; it needs root, apt-get and
dpkg-deb. It touches no network setting of the machine (no bridge, no firewall rules), pulls nothing (its base image is
made by debootstrap, packages come from wheels downloaded on this side) and is stopped with the test. What it downloads
and builds stays in .pitwire/cache/stack for the next time.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from pitwire.cli.servers import ChildProcess, DirectoryLock

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".pitwire" / "cache" / "stack"
PROJECT = ("libs", "services", "deploy", "docker-compose.yml", "requirements.lock", ".dockerignore")
IMAGES = ("cli", *sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml")))

LOCAL_BASE = "local/python:3.11"
BASE_SUITE = "bookworm"
BASE_PACKAGES = "ca-certificates,python3-minimal,python3-venv"
ENGINE_PACKAGES = (
    *("docker.io", "containerd", "runc", "tini", "debootstrap"),
    *("iptables", "libip4tc2", "libip6tc2", "libxtables12", "libnftnl11", "libmnl0", "libnfnetlink0"),
    "libnetfilter-conntrack3",
)
COMPOSE_SUITE = "trixie"
ENGINE_START_MAX_S = 60
COMMAND_MAX_S = 300


@dataclass
class Engine:
    """Where `docker` commands go. `files` are the compose files to use; `folder` holds the project as images see it."""

    folder: Path
    env: Mapping[str, str]
    base: str
    files: tuple[str, ...]
    is_private: bool

    def docker(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command, to its end; past its time it is ended and counts as failed."""
        argv = ["docker", *map(str, words)]
        bounded = ["timeout", "-k", "10", str(COMMAND_MAX_S), *argv]
        done = subprocess.run(bounded, cwd=self.folder, env=dict(self.env), capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, f"docker {' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
        return done

    def compose(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.docker(
            "compose", "--ansi", "never", *(w for file in self.files for w in ("-f", file)), *words, check=check
        )


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine with all images of the project built on it."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    if machine_has_an_engine():
        engine = Engine(folder, os.environ, "python:3.11-slim", ("docker-compose.yml",), is_private=False)
        build_images(engine)
        yield engine
        return
    for tool in ("apt-get", "dpkg-deb"):
        if os.geteuid() != 0 or not shutil.which(tool):
            pytest.skip("no container engine with compose here, and a private one needs root, apt-get and dpkg-deb")
    yield from private_engine(folder, tmp_path_factory.mktemp("e"))


def machine_has_an_engine() -> bool:
    asked = (["docker", "info"], ["docker", "compose", "version"])
    return bool(shutil.which("docker")) and all(
        subprocess.run(words, capture_output=True, check=False).returncode == 0 for words in asked
    )


def copy_project(folder: Path) -> None:
    for name in PROJECT:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "tests")
            shutil.copytree(source, folder / name, ignore=ignored, symlinks=True)
        else:
            shutil.copy2(source, folder / name)


def build_images(engine: Engine) -> None:
    for name in IMAGES:
        words = ("--build-arg", f"BASE={engine.base}", "--build-arg", f"SERVICE={name}", "-t", f"pitwire/{name}", ".")
        engine.docker("build", "-q", "-f", "deploy/Dockerfile", *words)


def private_engine(folder: Path, short: Path) -> Iterator[Engine]:
    """`short` is for the socket: its path has a limit of a hundred letters."""
    CACHE.mkdir(parents=True, exist_ok=True)
    tools, data = CACHE / "tools", CACHE / "engine"
    unpack_tools(tools)
    fetch_wheels(folder / "wheels")
    env = engine_env(tools, f"unix://{short}/docker.sock")
    with DirectoryLock(CACHE, timeout_s=1) as lock:
        daemon = ChildProcess(
            [
                *("dockerd", "-H", env["DOCKER_HOST"], "--data-root", data, "--exec-root", short / "x"),
                *("--pidfile", short / "pid", "--bridge=none", "--iptables=false", "--ip-masq=false"),
            ],
            name="dockerd",
            log_path=CACHE / "dockerd.log",
            env=env,
            cwd=CACHE,
            stop_signal=signal.SIGTERM,
            pass_fds=[lock.fileno()],
        )
    files = ("docker-compose.yml", "deploy/compose.offline.yaml")
    engine = Engine(folder, env, LOCAL_BASE, files, is_private=True)
    try:
        daemon.wait_until(lambda: engine.docker("version", check=False).returncode == 0, timeout_s=ENGINE_START_MAX_S)
        if engine.docker("image", "inspect", LOCAL_BASE, check=False).returncode != 0:
            engine.docker("import", base_system(tools), LOCAL_BASE)
        build_images(engine)
        engine.docker("image", "prune", "-f")
        yield engine
    finally:
        daemon.stop(timeout_s=60)


def engine_env(tools: Path, host: str) -> dict[str, str]:
    found = (f"{tools}/{part}" for part in ("bin", "usr/bin", "usr/sbin"))
    return {
        "PATH": ":".join([*found, os.environ["PATH"]]),
        "HOME": str(CACHE),
        "LD_LIBRARY_PATH": f"{tools}/usr/lib/x86_64-linux-gnu",
        "XTABLES_LIBDIR": f"{tools}/usr/lib/x86_64-linux-gnu/xtables",
        "DEBOOTSTRAP_DIR": f"{tools}/usr/share/debootstrap",
        "DOCKER_HOST": host,
        "DOCKER_BUILDKIT": "0",
        "DOCKER_CONFIG": f"{tools}/usr/libexec/docker",
    }


def command(*words: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        [str(w) for w in words], cwd=cwd, env=env, capture_output=True, text=True, timeout=COMMAND_MAX_S, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def unpack_tools(tools: Path) -> None:
    """Engine, compose and debootstrap side by side in one folder; appears whole or not at all."""
    if tools.exists():
        return
    fresh, debs = tools.with_suffix(".new"), CACHE / "debs"
    for leftover in (fresh, debs):
        shutil.rmtree(leftover, ignore_errors=True)
    (debs / "lists" / "partial").mkdir(parents=True)
    (debs / "parts").mkdir()
    command("apt-get", "download", *ENGINE_PACKAGES, cwd=debs)
    # The compose of this machine's release is the one of old, written in Python; the next release has the new one.
    (debs / "sources.list").write_text(f"deb {mirror()} {COMPOSE_SUITE} main\n")
    settings = {
        "Dir::Etc::sourcelist": debs / "sources.list",
        "Dir::Etc::sourceparts": debs / "parts",
        "Dir::State::lists": debs / "lists",
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    command("apt-get", *options, "update", cwd=debs)
    command("apt-get", *options, "download", "docker-compose", cwd=debs)
    for deb in debs.glob("*.deb"):
        command("dpkg-deb", "-x", deb, fresh, cwd=debs)
    (fresh / "bin").mkdir(exist_ok=True)
    for name in ("iptables", "ip6tables"):
        (fresh / "bin" / name).symlink_to("../usr/sbin/xtables-legacy-multi")
    fresh.rename(tools)


def mirror() -> str:
    """Where this machine gets its Debian packages."""
    words: list[str] = []
    for path in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))):
        if path.is_file():
            words += [w for w in path.read_text().split() if w.startswith("http") and w.rstrip("/").endswith("/debian")]
    if not words:
        pytest.skip("apt has no Debian mirror to make a base image from")
    return words[0]


def base_system(tools: Path) -> Path:
    """A tarball of the smallest Debian with Python, in place of the official Python image."""
    archive = CACHE / "base.tar"
    if not archive.exists():
        system = CACHE / "base"
        shutil.rmtree(system, ignore_errors=True)
        words = ("--variant=minbase", f"--include={BASE_PACKAGES}", BASE_SUITE, system, mirror())
        command("debootstrap", *words, cwd=CACHE, env=engine_env(tools, ""))
        command("tar", "-C", system, "--exclude=./var/cache/apt", "-cf", f"{archive}.new", ".", cwd=CACHE)
        Path(f"{archive}.new").rename(archive)
        shutil.rmtree(system)
    return archive


def fetch_wheels(target: Path) -> None:
    """Every package of the lock, checked by its hash, and what builds those that come as source."""
    wheels, lock = CACHE / "wheels", ROOT / "requirements.lock"
    have = wheels / "requirements.lock"
    if not have.exists() or have.read_text() != lock.read_text():
        shutil.rmtree(wheels, ignore_errors=True)
        pip = (ROOT / ".venv" / "bin" / "python", "-m", "pip", "download", "-q")
        command(*pip, "--no-deps", "--require-hashes", "-r", lock, "-d", wheels, cwd=CACHE, env=os.environ)
        command(*pip, "setuptools", "wheel", "-d", wheels, cwd=CACHE, env=os.environ)
        shutil.copy2(lock, have)
    shutil.copytree(wheels, target)
