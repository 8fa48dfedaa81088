"""What each process of a run is told, and what it is not told."""

from __future__ import annotations

from pathlib import Path

from pitwire.cli.run.plan import SERVICES, STOP_ORDER, RunFolder, base_env, service_plan, venue_plan
from pitwire.common.config import load_config

FOLDER = RunFolder(Path("/run/1"))
SHIPPED = Path(__file__).parents[4] / "pitwire.toml"


def env_of(service: str) -> dict[str, str]:
    return dict(service_plan(service, FOLDER, nats_url="nats://h:1", database_url="postgresql://secret@h/db").env)


def test_only_persistence_is_told_where_the_database_is() -> None:
    assert [name for name in SERVICES if "PITWIRE_DATABASE_URL" in env_of(name)] == ["persistence"]


def test_each_service_has_its_own_identity() -> None:
    seeds = {env_of(name)["PITWIRE_NATS_SEED_FILE"] for name in SERVICES}
    assert seeds == {f"/run/1/identities/{name}.nk" for name in SERVICES}


def test_secrets_of_the_terminal_stay_out() -> None:
    env = base_env({"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x", "PITWIRE_DATABASE_URL": "y"})
    assert "PATH" in env
    assert not {"AWS_SECRET_ACCESS_KEY", "PITWIRE_DATABASE_URL"} & set(env)


def test_every_service_is_stopped_and_strategies_first() -> None:
    assert sorted(STOP_ORDER) == sorted(SERVICES)
    assert STOP_ORDER[0] == "strategy"
    assert STOP_ORDER[-1] == "persistence"


def test_venue_starts_paused_with_the_capital_of_its_account() -> None:
    argv = venue_plan(FOLDER, load_config(SHIPPED), market="generated", speed=60, ports=(0, 0)).argv
    assert "--paused" in argv
    assert argv[argv.index("--balance") + 1] == "USDT=100000"
    assert argv[argv.index("--speed") + 1] == "60"
