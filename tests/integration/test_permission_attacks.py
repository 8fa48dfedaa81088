"""What a compromised process could try on the bus, and that the journal does not change by it.

A JetStream answer goes to whatever reply subject the asker names, with the server's rights: a reader that may only ask
could have the server write into the journal. So readers live in other accounts than the streams that matter.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import orjson
import pytest
from nats import errors as nats_errors
from tests.integration.bus_world import ACCOUNT, STRATEGIES, NatsWorld, sample_config
from tests.integration.contract_steps import read_until_caught_up

from pitwire.common import permissions, subjects
from pitwire.common.bus.reader import SOURCE_HEADER
from pitwire.common.errors import AppendRefused
from pitwire.common.ids import partition_of
from pitwire.common.topology import PRINCIPALS, NatsAccount, Principal

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

LEDGER = subjects.ledger(ACCOUNT)
EXEC = subjects.exec_events(ACCOUNT)
JOURNAL_SUBJECTS = (LEDGER, EXEC, "oms.halt.operator", subjects.RESUME, "ctl.cmd.operator.risk-gate.resume")
SETTLE_S = 0.3
READERS = [p for p in PRINCIPALS if p.account is not NatsAccount.TRADING]


async def journal_size(world: NatsWorld) -> tuple[int, int]:
    operator = await world.connect("operator")
    return (await operator.state("OMS")).last_sequence, (await operator.state("CTL")).last_sequence


async def seed(world: NatsWorld) -> None:
    gate = await world.connect("risk-gate")
    for n in range(3):
        await gate.append(LEDGER, str(n).encode())


def requests_of(principal: Principal) -> list[str]:
    """Every API request the principal may send, with a concrete consumer name where one is needed."""
    allowed = [s for s in permissions.publishes(principal.name, sample_config()) if s.startswith("$JS.API")]
    return [s.replace(".>", ".evil") for s in allowed]


BODIES: tuple[dict[str, Any], ...] = (
    {},
    {"seq": 1},
    {"last_by_subj": LEDGER},
    {"batch": 3},
    {"batch": 3, "no_wait": True},
    {"expires": 100_000_000, "batch": 1, "idle_heartbeat": 30_000_000},
)


@pytest.mark.parametrize("principal", READERS, ids=lambda p: p.name)
async def test_no_request_of_a_reader_can_have_the_server_write_to_the_journal(
    real_world: NatsWorld, principal: Principal
) -> None:
    await seed(real_world)
    before = await journal_size(real_world)
    client = (await real_world.connect(principal.name))._client
    consumers = [
        {"stream_name": s.name, "config": {"name": "evil", "ack_policy": "none", "deliver_policy": "all"}}
        for s in principal.reads
    ]
    for stream, body in zip(principal.reads, consumers, strict=True):
        await client.request(f"$JS.API.CONSUMER.CREATE.{stream.name}.evil", orjson.dumps(body), timeout=2)
    for request in requests_of(principal):
        for body in (*BODIES, *consumers):
            for target in JOURNAL_SUBJECTS:
                await client.publish(request, orjson.dumps(body), reply=target)
    await client.flush()
    await asyncio.sleep(SETTLE_S)
    assert await journal_size(real_world) == before


@pytest.mark.parametrize("principal", READERS, ids=lambda p: p.name)
async def test_a_push_consumer_cannot_be_aimed_at_the_journal(real_world: NatsWorld, principal: Principal) -> None:
    await seed(real_world)
    before = await journal_size(real_world)
    client = (await real_world.connect(principal.name))._client
    for stream in principal.reads:
        for target in JOURNAL_SUBJECTS:
            config = {"name": "push", "ack_policy": "none", "deliver_policy": "all", "deliver_subject": target}
            body = orjson.dumps({"stream_name": stream.name, "config": config})
            await client.request(f"$JS.API.CONSUMER.CREATE.{stream.name}.push", body, timeout=2)
    await asyncio.sleep(SETTLE_S)
    assert await journal_size(real_world) == before


@pytest.mark.parametrize("target", JOURNAL_SUBJECTS)
async def test_the_acknowledgement_of_an_intent_cannot_be_aimed_at_the_journal(
    real_world: NatsWorld, target: str
) -> None:
    await seed(real_world)
    before = await journal_size(real_world)
    client = (await real_world.connect("strategy"))._client
    await client.publish(subjects.intent(ACCOUNT, STRATEGIES[0]), b"{}", reply=target)
    await client.flush()
    await asyncio.sleep(SETTLE_S)
    assert await journal_size(real_world) == before


@pytest.mark.parametrize("principal", [p.name for p in READERS])
@pytest.mark.parametrize("target", [*JOURNAL_SUBJECTS, "oms.>", "oms.*.risk.*", "oms.firm", ">"])
async def test_who_is_not_in_trading_cannot_publish_to_the_journal(
    real_world: NatsWorld, principal: str, target: str
) -> None:
    before = await journal_size(real_world)
    client = (await real_world.connect(principal))._client
    try:
        await client.publish(target, b"{}")
        await client.flush()
    except nats_errors.Error:
        pass
    await asyncio.sleep(0.05)
    assert await journal_size(real_world) == before


@pytest.mark.parametrize(
    "subject",
    [
        f"int.{(partition_of(ACCOUNT) + 1) % 64}.{ACCOUNT}.{STRATEGIES[0]}",
        subjects.intent("other", STRATEGIES[0]),
        subjects.intent(ACCOUNT, "unknown"),
        f"int.*.{ACCOUNT}.{STRATEGIES[0]}",
    ],
)
async def test_a_strategy_cannot_ask_in_a_foreign_partition_account_or_name(
    real_world: NatsWorld, subject: str
) -> None:
    client = (await real_world.connect("strategy"))._client
    await client.publish(subject, b"{}")
    await client.flush()
    await client.publish(subjects.intent(ACCOUNT, STRATEGIES[0]), b"the allowed one")
    await client.flush()
    await asyncio.sleep(SETTLE_S)
    gate = await real_world.connect("risk-gate")
    assert (await gate.state("INTENT")).last_sequence == 1


@pytest.mark.parametrize("principal", [p.name for p in PRINCIPALS])
async def test_nobody_hears_the_answers_of_another(real_world: NatsWorld, principal: str) -> None:
    client = (await real_world.connect(principal))._client
    heard: list[str] = []

    async def on_message(message: Any) -> None:
        heard.append(message.subject)

    for other in (p.name for p in PRINCIPALS if p.name != principal):
        await client.subscribe(f"{permissions.inbox_prefix(other)}.>", cb=on_message)
    await client.subscribe("_INBOX.>", cb=on_message)
    await client.flush()
    gate = await real_world.connect("risk-gate" if principal != "risk-gate" else "execution")
    await gate.state("OMS")
    await asyncio.sleep(0.05)
    assert heard == []
    assert [text for text in real_world.trouble if "subscription" in text.lower()]


@pytest.mark.parametrize("principal", [p.name for p in PRINCIPALS])
@pytest.mark.parametrize(
    "request_", ["STREAM.PURGE.OMS", "STREAM.DELETE.OMS", "STREAM.UPDATE.OMS", "STREAM.MSG.DELETE.OMS"]
)
async def test_nobody_may_change_or_empty_the_journal(real_world: NatsWorld, principal: str, request_: str) -> None:
    await seed(real_world)
    bus = await real_world.connect(principal)
    await bus._client.publish(f"$JS.API.{request_}", b"{}")
    await bus._client.flush()
    assert (await journal_size(real_world))[0] == 3


async def test_not_even_the_provisioner_can_delete_a_record(real_world: NatsWorld) -> None:
    await seed(real_world)
    admin = await real_world.connect(permissions.provisioner(NatsAccount.TRADING))
    answer = await admin.api("STREAM.MSG.DELETE.OMS", {"seq": 2})
    assert answer["error"]["code"] in (400, 500)
    assert (await journal_size(real_world))[0] == 3


@pytest.mark.parametrize("header", ["OMS 1000000000 > >", "x", ""])
async def test_a_record_cannot_claim_to_be_a_copy_from_elsewhere(real_world: NatsWorld, header: str) -> None:
    """Readers take a copy's place in its original from this header: a claimed one would make them pass over others."""
    gate, strategy = await real_world.connect("risk-gate"), await real_world.connect("strategy")
    with contextlib.suppress(AppendRefused):  # an empty one is stored, and no reader heeds it
        await strategy.append(subjects.intent(ACCOUNT, STRATEGIES[0]), b"claimed", {SOURCE_HEADER: header})
    at = await strategy.append(subjects.intent(ACCOUNT, STRATEGIES[1]), b"own")
    found = await read_until_caught_up(gate, "INTENT", (subjects.intents_of(ACCOUNT),))
    assert [record.sequence for record in found] == list(range(1, at + 1))
    assert found[-1].data == b"own"
