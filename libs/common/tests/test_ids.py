"""Ids are pure functions of their inputs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.common import ids
from pitwire.common.errors import InvalidName

INPUTS: dict[str, Any] = {
    "incarnation": "i1",
    "account": "main",
    "strategy": "momentum",
    "intent_no": 7,
    "intent_bytes": b"{}",
}


def test_partition_is_crc32_modulo_64_for_ever() -> None:
    assert ids.partition_of("main") == 36
    assert ids.partition_of("alpha") == 42


def test_client_order_id_is_the_same_for_the_same_intent() -> None:
    assert ids.client_order_id(**INPUTS) == ids.client_order_id(**INPUTS)


@pytest.mark.parametrize(
    "change",
    [
        {"incarnation": "i2"},
        {"account": "other"},
        {"strategy": "mean"},
        {"intent_no": 8},
        {"intent_bytes": b"{ }"},
        {"child": 1},
    ],
)
def test_client_order_id_differs_when_any_input_differs(change: dict[str, Any]) -> None:
    assert ids.client_order_id(**{**INPUTS, **change}) != ids.client_order_id(**INPUTS)


def test_client_order_id_cannot_be_made_equal_by_moving_text_between_fields() -> None:
    one = ids.client_order_id(incarnation="i", account="ab", strategy="c", intent_no=1, intent_bytes=b"")
    two = ids.client_order_id(incarnation="i", account="a", strategy="bc", intent_no=1, intent_bytes=b"")
    assert one != two


@given(st.integers(min_value=1, max_value=2**60), st.binary(max_size=64))
def test_client_order_id_always_fits_the_venue(intent_no: int, data: bytes) -> None:
    made = ids.client_order_id(incarnation="i", account="a", strategy="s", intent_no=intent_no, intent_bytes=data)
    assert len(made) == ids.CLIENT_ORDER_ID_LENGTH
    assert made.isalnum()
    assert made.isupper() or made.isdigit()


def test_instrument_id_splits_at_the_last_dot() -> None:
    made = ids.instrument_id("BTC-USDT", "sim")
    assert (made, ids.symbol_of(made), ids.venue_of(made)) == ("BTC-USDT.sim", "BTC-USDT", "sim")


@pytest.mark.parametrize("bad", ["", "a.b", "a b", "a*", ">", "x" * 33, "ä", "a\n"])
def test_refuses_names_that_cannot_stand_in_a_subject(bad: str) -> None:
    with pytest.raises(InvalidName, match="account"):
        ids.token(bad, what="account")


@pytest.mark.parametrize("bad", ["BTC-USDT", ".sim", "BTC-USDT."])
def test_refuses_an_instrument_without_venue(bad: str) -> None:
    with pytest.raises(InvalidName):
        ids.symbol_of(bad)
