"""A slice of `make venue-faults`: every fault twice, every order type and every phase among them."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import pytest
from tests.venue_faults.campaign import ended, one_round
from tests.venue_faults.plan import FAULTS, TYPES, Phase, cells, sample

from pitwire.common.enums import OrderStatus

SEED = 20_261_201
SENT_MIN = 0.6
"""Orders that the venue saw: where it was away, being refused before anything is sent is right."""


def test_every_pair_of_fault_type_and_phase_is_in_the_plan() -> None:
    plan = cells(1, SEED)
    assert {(cell.fault.name, cell.type_name) for cell in plan} == set(product([f.name for f in FAULTS], TYPES))
    assert {(cell.fault.name, cell.phase) for cell in plan} == set(product([f.name for f in FAULTS], Phase))
    assert {(cell.type_name, cell.phase) for cell in plan} == set(product(TYPES, Phase))


def test_the_sample_has_every_fault_every_type_and_every_phase() -> None:
    found = sample(SEED)
    assert {cell.fault.name for cell in found} == {fault.name for fault in FAULTS}
    assert {cell.type_name for cell in found} == set(TYPES)
    assert {cell.phase for cell in found} == set(Phase)


@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_no_order_is_lost_doubled_or_orphaned_whatever_the_venue_does_and_when(
    infra: str, tmp_path: Path
) -> None:
    """I-1, I-2, I-8, T-16."""
    result = await one_round(tmp_path, sample(SEED))
    sys.stdout.write(result.table() + "\n")
    assert result.broken == []
    assert result.orders == 2 * len(FAULTS)
    assert result.sent >= SENT_MIN * result.orders
    for status in (OrderStatus.FILLED, OrderStatus.CANCELED):
        assert ended(result, status) > 0, f"nothing {status}: it tries too little"
    assert sum(counts["in doubt"] for counts in result.by_fault.values()) > 0
