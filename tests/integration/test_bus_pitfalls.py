"""The pitfalls of nats-py 2.16 that lose, double or hide messages, each shown on a real nats-server to be avoided.

| pitfall of the client | avoided by | test |
| --- | --- | --- |
| a publish while disconnected is stored after the reconnect | nothing is buffered | `..._bus_is_away_...` |
| a failed request leaves its future behind for ever | asked before, whether connected | the same |
| a request that times out may be stored | `OutcomeUnknown`, compare-and-set, read back | `..._no_answer_came_...` |
| a core publish across a kill is lost, no error | only what the next one replaces | `..._core_messages_...` |
| an error_cb that raises ends the read loop | it cannot | `..._trouble_badly_...` |
| half-open links look connected for minutes | pings every 2 s | `..._frozen_server_...` |
| a reconnect waits for the old socket to take what is buffered | the link is cut | `..._[buffered]` |
| changed credentials close the client for good | the process ends | `..._credentials_...` |
| a denied publish is a time-out | asked at the start, told by name | `..._denied_...` |
| fetch reports a deleted consumer as "nothing" | own pull loop | `..._consumer_is_deleted_...` |
| a pull is lost over a server restart | heartbeats, a new consumer from the cursor | `..._server_that_is_killed_...` |
| the ordered consumer passes over what it dropped as too slow | the gap is noticed | `..._too_slow_...` |
| a core subscriber that is too slow drops | nothing waits in the client | `..._busy_listener_...` |
| a KV watch stalls after a restart | halts by the own loop | `..._halt_is_read_...` |
| a direct get is answered by a replica that lags | no stream allows it | `..._leader_...` |
| drain and close wait for ever | close is bounded, nothing drains | `..._close_...` |
| publish_async, fetch, KV, push consumers, drain, consumer_info | not used | tests/tidy, `..._used_nowhere` |

Headers that publish changes, leases in a stream made anew, subjects without a stream: in the contract tests.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from services.execution.tests.builders import halt
from tests.integration.bus_world import ACCOUNT, NatsWorld, sample_config
from tests.integration.contract_steps import append_many, eventually, read_until_caught_up

from pitwire.common import codec, permissions, service, subjects
from pitwire.common.bus import nats as nats_bus
from pitwire.common.bus import reader as bus_reader
from pitwire.common.bus.nats import NatsBus
from pitwire.common.bus.port import Record
from pitwire.common.config import ServiceSettings
from pitwire.common.errors import AppendRefused, BusUnavailable, LostRace, OutcomeUnknown
from pitwire.common.provisioning import provisioner_of
from pitwire.common.topology import STREAMS, NatsAccount

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

LEDGER = subjects.ledger(ACCOUNT)
NOTICED_MAX_S = 10.0
AT_ONCE_S = 1.0


async def until(holds: Callable[[], bool], timeout_s: float = NOTICED_MAX_S) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.02)


async def reading(bus: NatsBus, stream: str, filters: tuple[str, ...], into: list[Record]) -> asyncio.Task[None]:
    """A reader at work that has caught up."""
    ready = asyncio.Event()

    async def read() -> None:
        async for batch in bus.read(stream, filters, after=0):
            into.extend(batch)
            if not batch:
                ready.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(ready.wait(), NOTICED_MAX_S)
    return task


async def freeze(world: NatsWorld) -> None:
    """Returns when the server stands still: a signal that is only on its way leaves time for one more answer."""
    os.kill(world.server.pid, signal.SIGSTOP)
    stat = Path(f"/proc/{world.server.pid}/stat")
    await until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# -- writing ---------------------------------------------------------------------------------------------------------


async def test_what_is_appended_while_the_bus_is_away_fails_at_once_and_never_lands_later(
    real_world: NatsWorld,
) -> None:
    bus = await real_world.connect("risk-gate")
    await append_many(bus, LEDGER, 2)
    real_world.server.kill()
    await until(lambda: not bus.is_connected)
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(BusUnavailable):
            await bus.append(LEDGER, b"zombie")
        with pytest.raises(BusUnavailable):
            await bus.publish(LEDGER, b"zombie")
    assert time.monotonic() - began < AT_ONCE_S
    assert bus.answers_awaited == 0
    await asyncio.to_thread(real_world.server.restart)
    await until(lambda: bus.is_connected)
    assert await bus.append(LEDGER, b"next") == 3


async def test_a_record_whose_answer_never_came_is_unknown_and_its_repetition_loses(
    real_world: NatsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server was frozen: what had left stands later, although the writer had given up."""
    bus = await real_world.connect("risk-gate")
    first = await bus.append(LEDGER, b"a", expected_last=0)
    monkeypatch.setattr(nats_bus, "APPEND_TIMEOUT_S", 0.3)
    await freeze(real_world)
    with pytest.raises(OutcomeUnknown):
        await bus.append(LEDGER, b"b", expected_last=first)
    os.kill(real_world.server.pid, signal.SIGCONT)
    monkeypatch.setattr(nats_bus, "APPEND_TIMEOUT_S", 5.0)

    async def stands() -> bool:
        newest = await bus.last("OMS", LEDGER)
        return newest is not None and newest.data == b"b"

    await eventually(stands)
    with pytest.raises(LostRace):
        await bus.append(LEDGER, b"b", expected_last=first)


async def test_core_messages_of_an_outage_are_refused_or_lost_and_never_come_late(real_world: NatsWorld) -> None:
    """So only data goes this way that its next message replaces; its publisher numbers it."""
    publisher, listener = await real_world.connect("market-data"), await real_world.connect("strategy")
    heard: list[int] = []
    await listener.subscribe(subjects.EVERY_MARKET, lambda record: heard.append(int(record.data)))
    await asyncio.sleep(0.1)
    quote = subjects.quote("BTC-USDT.sim")
    refused = 0
    for number in range(400):
        if number == 200:
            real_world.server.kill()
        try:
            await publisher.publish(quote, str(number).encode())
        except BusUnavailable:
            refused += 1
        await asyncio.sleep(0.001)
    await asyncio.to_thread(real_world.server.restart)
    await until(lambda: publisher.is_connected and listener.is_connected)
    await asyncio.sleep(0.2)
    await publisher.publish(quote, b"1000")
    await until(lambda: heard[-1:] == [1000])
    assert refused > 0
    assert max(heard[:-1]) <= 200 + 5
    assert heard == sorted(set(heard))


async def test_what_is_sent_to_a_socket_that_is_gone_fails_at_once_although_the_client_does_not_know_yet(
    real_world: NatsWorld,
) -> None:
    bus = await real_world.connect("risk-gate")
    transport: Any = bus._client._transport
    transport._io_writer.transport.abort()
    assert bus.is_connected
    with pytest.raises(BusUnavailable):
        await bus.append(LEDGER, b"a")
    with pytest.raises(BusUnavailable):
        await bus.publish(LEDGER, b"a")
    await until(lambda: "reconnected" in real_world.trouble)
    assert await bus.append(LEDGER, b"b") == 1


@pytest.mark.parametrize("subject", [subjects.exec_events(ACCOUNT), subjects.RESUME])
async def test_a_denied_subject_is_told_by_name_before_anything_depends_on_it(
    real_world: NatsWorld, monkeypatch: pytest.MonkeyPatch, subject: str
) -> None:
    monkeypatch.setattr(nats_bus, "APPEND_TIMEOUT_S", 0.5)
    bus = await real_world.connect("operator")
    await bus.may_append(subjects.halt("operator"))
    for attempt in (bus.may_append(subject), bus.append(subject, b"x")):
        with pytest.raises(AppendRefused, match="may not publish"):
            await attempt
    assert (await bus.state("OMS")).last_sequence == 0


async def test_a_process_that_may_not_write_what_it_lives_by_says_so_and_ends(
    real_world: NatsWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(nats_bus, "APPEND_TIMEOUT_S", 0.5)
    settings = ServiceSettings(
        nats_url=real_world.server.url, nats_seed_file=real_world.seeds / "operator.nk", data_dir=tmp_path
    )
    with pytest.raises(AppendRefused, match="oms"):
        async with service.Service("operator", settings) as shell:
            await shell.must_be_allowed(subjects.halt("operator"), LEDGER)


# -- the link --------------------------------------------------------------------------------------------------------


async def test_who_takes_its_trouble_badly_does_not_lose_its_bus(real_world: NatsWorld) -> None:
    def raises(_: str) -> None:
        raise RuntimeError("planted")

    bus = await NatsBus.connect(
        real_world.server.url,
        principal="risk-gate",
        name="risk-gate",
        seed_file=real_world.seeds / "risk-gate.nk",
        on_trouble=raises,
        on_closed=lambda: None,
    )
    await bus.publish(subjects.exec_events(ACCOUNT), b"denied")
    await bus.subscribe("denied.>", lambda _: None)
    assert await append_many(bus, LEDGER, 3) == [1, 2, 3]
    await bus.close()


@pytest.mark.parametrize("buffered", [False, True], ids=["idle", "buffered"])
async def test_a_frozen_server_is_noticed_and_its_return_too(real_world: NatsWorld, buffered: bool) -> None:
    bus = await real_world.connect("market-data")
    await freeze(real_world)
    if buffered:
        for _ in range(20):
            await bus.publish(subjects.quote("BTC-USDT.sim"), bytes(1_000_000))
    await until(lambda: not bus.is_connected)
    await asyncio.sleep(nats_bus.LINK_WATCH_S + nats_bus.LINK_CLOSE_MAX_S)
    assert "disconnected" in real_world.trouble
    os.kill(real_world.server.pid, signal.SIGCONT)
    await until(lambda: bus.is_connected)
    await bus.append(subjects.candle("BTC-USDT.sim", "1m"), b"x")


async def test_close_ends_even_to_a_frozen_server_with_a_full_socket(real_world: NatsWorld) -> None:
    bus = await real_world.connect("market-data")
    await freeze(real_world)
    for _ in range(20):
        await bus.publish(subjects.quote("BTC-USDT.sim"), bytes(1_000_000))
    began = time.monotonic()
    await bus.close()
    assert time.monotonic() - began < nats_bus.CLOSE_TIMEOUT_S + AT_ONCE_S
    os.kill(real_world.server.pid, signal.SIGCONT)


async def test_close_ends_in_order_where_a_task_of_the_client_that_is_over_waited_for_the_same_socket(
    real_world: NatsWorld,
) -> None:
    bus = await real_world.connect("risk-gate")
    transport: Any = bus._client._transport
    waiting = asyncio.create_task(transport._io_writer.wait_closed())
    await asyncio.sleep(0)
    await stop(waiting)
    await bus.close()
    assert not bus.is_connected


async def test_changed_credentials_end_the_process(real_world: NatsWorld, tmp_path: Path) -> None:
    """The client closes for good and never comes back by itself."""
    settings = ServiceSettings(
        nats_url=real_world.server.url, nats_seed_file=real_world.seeds / "risk-gate.nk", data_dir=tmp_path
    )
    async with service.Service("risk-gate", settings) as shell:
        others = permissions.server_config(sample_config(), permissions.make_identities(tmp_path / "others"))
        await asyncio.to_thread(real_world.server.reload, others)
        assert await asyncio.wait_for(shell.run(), NOTICED_MAX_S) == service.EXIT_FAILED


# -- reading ---------------------------------------------------------------------------------------------------------


async def test_a_reader_goes_on_without_a_gap_when_its_consumer_is_deleted(real_world: NatsWorld) -> None:
    bus = await real_world.connect("risk-gate")
    found: list[Record] = []
    task = await reading(bus, "OMS", (LEDGER,), found)
    await append_many(bus, LEDGER, 10)
    async with provisioner_of(real_world.server.url, real_world.seeds, NatsAccount.TRADING) as admin:
        for name in (await admin.api("CONSUMER.NAMES.OMS", {}))["consumers"]:
            await admin.api(f"CONSUMER.DELETE.OMS.{name}", {})
    await append_many(bus, LEDGER, 10)
    await until(lambda: len(found) >= 20)
    await stop(task)
    assert [r.sequence for r in found] == list(range(1, 21))


async def test_a_reader_goes_on_without_a_gap_over_a_server_that_is_killed(real_world: NatsWorld) -> None:
    reader, writer = await real_world.connect("risk-gate"), await real_world.connect("risk-gate")
    found: list[Record] = []
    task = await reading(reader, "OMS", (LEDGER,), found)
    for _ in range(2):
        await append_many(writer, LEDGER, 50)
        real_world.server.kill()
        await asyncio.to_thread(real_world.server.restart)
        await until(lambda: writer.is_connected)
        await append_many(writer, LEDGER, 50)
    await until(lambda: len(found) >= 200)
    await stop(task)
    assert [r.sequence for r in found] == list(range(1, 201))


async def test_a_reader_that_is_too_slow_for_its_socket_notices_the_gap_and_reads_again(
    real_world: NatsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is dropped and told; the consumer's own count shows it."""
    ask = bus_reader.OrderedReader._ask

    def ask_and_be_busy(reader: bus_reader.OrderedReader, name: str, reply: str) -> None:
        ask(reader, name, reply)
        time.sleep(0.3)

    monkeypatch.setattr(bus_reader, "WAITING_MESSAGES_MAX", 1)
    monkeypatch.setattr(bus_reader.OrderedReader, "_ask", ask_and_be_busy)
    bus = await real_world.connect("risk-gate")
    await asyncio.gather(*(bus.append(LEDGER, str(n).encode()) for n in range(300)))

    reading_all = asyncio.create_task(read_until_caught_up(bus, "OMS", (LEDGER,)))
    await until(lambda: any("too slow" in text for text in real_world.trouble))
    monkeypatch.undo()
    assert [r.sequence for r in await reading_all] == list(range(1, 301))
    assert any("restarts after" in text for text in real_world.trouble)


async def test_a_busy_listener_keeps_nothing_waiting_and_hears_everything(real_world: NatsWorld) -> None:
    """The library drops what its queue cannot hold; here a message is handled where it is read."""
    publisher, listener = await real_world.connect("market-data"), await real_world.connect("strategy")
    heard: list[int] = []

    def hear(record: Record) -> None:
        time.sleep(0.0005)
        heard.append(int(record.data))

    await listener.subscribe(subjects.EVERY_MARKET, hear)
    await asyncio.sleep(0.1)
    for number in range(2_000):
        await publisher.publish(subjects.quote("BTC-USDT.sim"), str(number).encode())
    await until(lambda: len(heard) == 2_000)
    assert heard == list(range(2_000))
    assert real_world.trouble == []
    await listener.append(subjects.intent(ACCOUNT, "momentum"), b"the link still works")


async def test_a_listener_that_raises_is_told_and_hears_the_next(real_world: NatsWorld) -> None:
    publisher, listener = await real_world.connect("market-data"), await real_world.connect("strategy")
    heard: list[bytes] = []

    def hear(record: Record) -> None:
        if record.data == b"bad":
            raise ValueError("planted")
        heard.append(record.data)

    await listener.subscribe(subjects.EVERY_MARKET, hear)
    await asyncio.sleep(0.1)
    for data in (b"bad", b"good"):
        await publisher.publish(subjects.quote("BTC-USDT.sim"), data)
    await until(lambda: heard == [b"good"])
    assert real_world.trouble == ["ValueError: planted"]


async def test_a_halt_is_read_soon_after_the_server_came_back(real_world: NatsWorld) -> None:
    """A watch of the client needed 18.7 s here, and after its bucket was made anew it never spoke again."""
    operator, execution = await real_world.connect("operator"), await real_world.connect("execution")
    found: list[Record] = []
    task = await reading(execution, "OMS", (subjects.HALTS,), found)
    real_world.server.kill()
    await asyncio.to_thread(real_world.server.restart)
    await until(lambda: operator.is_connected)
    message = halt("h1")
    await operator.append(subjects.halt("operator"), codec.encode(message), codec.headers_for(message))
    await until(lambda: bool(found), timeout_s=bus_reader.SILENCE_MAX_S + 2)
    await stop(task)


async def test_reads_are_answered_by_the_leader_of_a_stream(real_world: NatsWorld) -> None:
    for account in NatsAccount:
        async with provisioner_of(real_world.server.url, real_world.seeds, account) as admin:
            for name in (s.name for s in STREAMS if s.account is account or account in s.copied_to):
                config = (await admin.api(f"STREAM.INFO.{name}", {}))["config"]
                assert not config.get("allow_direct"), name
