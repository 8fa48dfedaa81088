"""A real nats-server: any port, any number side by side, and nothing acknowledged is lost by a kill."""

import json
import urllib.request
from pathlib import Path

import nats
import pytest

from pitwire.cli.servers import NatsServer, ServerError

pytestmark = pytest.mark.integration
JETSTREAM = {"jetstream": True}


async def test_serves_clients_and_its_own_pages(tmp_path: Path) -> None:
    async with NatsServer(JETSTREAM, tmp_path / "nats") as server:
        client = await nats.connect(server.url)
        assert (await client.jetstream().account_info()).memory == 0
        await client.close()
        with urllib.request.urlopen(f"{server.monitoring_url}/healthz", timeout=5) as answer:
            assert json.load(answer) == {"status": "ok"}


def test_the_port_stays_the_same_whatever_port_the_given_configuration_names(tmp_path: Path) -> None:
    with NatsServer({"host": "127.0.0.1", "port": -1, **JETSTREAM}, tmp_path / "nats") as server:
        url = server.url
        for _ in range(6):
            server.kill()
            server.restart()
            assert server.url == url


async def test_kill_and_restart_keep_the_port_and_every_acknowledged_message(tmp_path: Path) -> None:
    with NatsServer({"jetstream": {"sync_interval": "always"}}, tmp_path / "nats") as server:
        url = server.url
        client = await nats.connect(url)
        await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
        for number in range(20):
            await client.jetstream().publish("kept", str(number).encode())
        await client.close()
        server.kill()
        server.restart()
        assert server.url == url
        client = await nats.connect(url)
        assert (await client.jetstream().stream_info("KEPT")).state.messages == 20
        await client.close()


async def test_two_servers_run_side_by_side(tmp_path: Path) -> None:
    with NatsServer(JETSTREAM, tmp_path / "a") as first, NatsServer(JETSTREAM, tmp_path / "b") as second:
        assert first.url != second.url
        for server in (first, second):
            client = await nats.connect(server.url)
            await client.flush()
            await client.close()


async def test_reload_changes_who_may_connect(tmp_path: Path) -> None:
    def users(*names: str) -> dict[str, object]:
        return {"authorization": {"users": [{"user": name, "password": "pw"} for name in names]}}

    with NatsServer(users("one"), tmp_path / "nats") as server:
        server.reload(users("one", "two"))
        client = await nats.connect(server.url, user="two", password="pw", allow_reconnect=False)
        await client.close()


def test_a_reload_that_the_server_refuses_is_reported_and_undone(tmp_path: Path) -> None:
    with NatsServer(JETSTREAM, tmp_path / "nats") as server:
        with pytest.raises(ServerError, match=r"did not take the configuration.*\n(.*\n)*.*no_such_setting"):
            server.reload({"no_such_setting": 1})
        server.restart()


def test_stop_leaves_no_process_and_no_lock(tmp_path: Path) -> None:
    server = NatsServer(JETSTREAM, tmp_path / "nats").start()
    pid = server.pid
    server.stop()
    assert not Path(f"/proc/{pid}").exists()
    server.start()
    server.stop()
    server.stop()


def test_a_folder_in_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitwire.cli.servers.nats.LOCK_TIMEOUT_S", 0.05)
    with NatsServer(JETSTREAM, tmp_path / "nats"):
        with pytest.raises(ServerError, match="in use by the process"):
            NatsServer(JETSTREAM, tmp_path / "nats").start()


def test_a_configuration_the_server_refuses_is_reported_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="unknown field.*no_such_setting"):
        NatsServer({"no_such_setting": 1}, tmp_path / "nats").start()


def test_a_server_that_does_not_run_has_no_address(tmp_path: Path) -> None:
    server = NatsServer(JETSTREAM, tmp_path / "nats")
    with pytest.raises(ServerError, match="never started"):
        _ = server.url
    with pytest.raises(ServerError, match="not running"):
        server.kill()
