"""The journal is lost, whole or in part, and comes back from the rows in PostgreSQL: byte for byte, and halted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.bus_world import nats_world, sample_config
from tests.integration.restoring_world import KEPT, RestoringWorld, trading, written
from tests.integration.test_persistence_process import HasDsn

from pitwire.cli.restoring import NotRestored, Restored, restore_journal
from pitwire.cli.servers import NatsServer
from pitwire.common import codec, permissions, subjects
from pitwire.common.bus.port import Record
from pitwire.common.clock import SystemClock
from pitwire.common.errors import AppendRefused
from pitwire.common.halts import restored_end
from pitwire.common.ids import content_hash
from pitwire.common.portfolio import AccountState
from pitwire.common.provisioning import ensure_stream, open_stream
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.ledger import Halt
from pitwire.common.testing.journal import ACCOUNT
from pitwire.common.topology import OMS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
REGRESSIONS = "SELECT count(*) FROM journal_cursor_regressions"
LATER = 12
"""More records than the copies stood ahead of the rows."""

ROWS = "SELECT oms_sequence, sha256 FROM journal_records ORDER BY 1"


@pytest.fixture
async def world(infra: str, tmp_path: Path, migrated: HasDsn) -> AsyncIterator[RestoringWorld]:
    async with nats_world(tmp_path) as nats:
        made = RestoringWorld(nats, migrated, tmp_path, trading())
        await made.fill()
        yield made


def fold(records: list[Record]) -> AccountState:
    """As a strategy folds the journal; it stops at a ledger record that does not follow the one before."""
    state = AccountState(ACCOUNT, "USDT")
    for record in records:
        if record.schema is None:
            state.observe_undecodable_halt(record.sequence)
            continue
        message: Message = codec.decode_known(record.subject, record.schema, record.data)
        if subjects.tokens(subjects.LEDGER, record.subject) is not None:
            state.apply_ledger(record.sequence, message, record.data)  # type: ignore[arg-type] # by its subject
        else:
            state.observe(record.sequence, message)  # type: ignore[arg-type] # by its subject
    state.advance(records[-1].sequence)
    return state


@pytest.mark.parametrize("lost", ["the whole bus", "the journal alone", "its end"])
async def test_a_lost_journal_is_put_back_byte_for_byte_with_a_halt_and_rows_and_copies_follow_it_again(
    world: RestoringWorld, lost: str
) -> None:
    """Its copies stood ahead of the rows: what they alone hold is no part of the journal any more."""
    await world.copies_are(world.entries)
    if lost == "the whole bus":
        await world.lose_bus()
    elif lost == "the journal alone":
        await world.hold([])
    else:
        await world.lose_end_on_disk()
    kept = KEPT if lost == "its end" else 0
    assert await world.restore() == Restored(world.stored - kept, world.stored)
    restored = await world.journal()
    assert written(restored[:-1]) == written(world.entries[: world.stored])
    halt = codec.decode(Halt, restored[-1].data, subject=restored[-1].subject)
    assert (halt.scope.value, halt.state.value, restored_end([halt])) == ("ALL", "HALTED", world.stored)
    assert await world.restore() is None, "nothing is missing any more"
    operator = await world.nats.connect("operator")
    for _ in range(LATER):
        await operator.append(subjects.halt("operator"), b"as soon as it was open")
    await world.apply()
    after = await world.journal()
    await world.copies_are(after)
    assert halt.halt_id in fold(await world.journal("strategy")).halts.active
    with world.service() as service:
        await world.caught_up(len(after))
        assert service.poll() is None
    assert world.query(ROWS) == [(record.sequence, content_hash(record.data)) for record in after]
    assert world.query(REGRESSIONS) == [(0,)]
    assert "JOURNAL_LOST" not in world.told()


@pytest.mark.parametrize("lost", ["everything, and grew past its copies", "its end"])
async def test_a_journal_that_nobody_puts_back_has_no_copies_of_its_former_life(
    world: RestoringWorld, lost: str
) -> None:
    await world.copies_are(world.entries)
    if lost == "its end":
        await world.lose_end_on_disk()
    else:
        await world.hold([*world.entries[1:], *world.entries[:2]])
    applied = await world.apply()
    assert [line for line in applied if line.endswith("made anew")] == ["STRAT.OMS: made anew", "READ.OMS: made anew"]
    operator = await world.nats.connect("operator")
    await operator.append(subjects.halt("operator"), b"of another life")
    await world.copies_are(await world.journal())
    assert not [line for line in await world.apply() if line.endswith("made anew")]


async def test_while_a_journal_is_put_back_nobody_else_can_write_it_and_later_the_provisioner_cannot(
    world: RestoringWorld,
) -> None:
    operator = await world.nats.connect("operator")
    halts, aside = subjects.halt("operator"), f"{subjects.RESTORE}.{subjects.halt('operator')}"
    async with world.provisioner() as bus:
        await ensure_stream(bus, OMS.restoring_config())
        for subject in (halts, aside):
            with pytest.raises(AppendRefused):
                await operator.may_append(subject)
        await open_stream(bus, OMS.config())
        for subject in (halts, aside):
            with pytest.raises(AppendRefused):
                await bus.may_append(subject)
    await operator.may_append(halts)
    assert written(await world.journal()) == written(world.entries)


async def test_another_journal_than_the_one_whose_rows_are_stored_is_left_alone(world: RestoringWorld) -> None:
    """It has gone on since the loss: what it says is true, and an operator decides."""
    await world.lose_end()
    operator = await world.nats.connect("operator")
    await operator.append(subjects.halt("operator"), b"{}")
    before = await world.journal()
    assert await world.restore() is None
    assert written(await world.journal()) == written(before)
    await operator.may_append(subjects.halt("operator"))


async def test_rows_that_were_edited_never_become_the_journal(world: RestoringWorld) -> None:
    await world.lose_end()
    world.query("UPDATE journal_records SET payload = '{}' WHERE oms_sequence = 30 RETURNING 1")
    with pytest.raises(NotRestored, match="row 30"):
        await world.restore()
    operator = await world.nats.connect("operator")
    with pytest.raises(AppendRefused):
        await operator.append(subjects.halt("operator"), b"{}")


async def test_a_journal_without_rows_is_left_alone(infra: str, tmp_path: Path, postgres: HasDsn) -> None:
    """The first start: no table, no stream."""
    seeds = tmp_path / "keys"
    settings = permissions.server_config(sample_config(), permissions.make_identities(seeds))
    async with NatsServer(settings, tmp_path / "nats") as server:
        assert await restore_journal(server.url, seeds, postgres.dsn, SystemClock()) is None
