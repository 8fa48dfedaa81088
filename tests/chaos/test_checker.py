"""The second judge knows nothing of the first: no code of ours, and its own arithmetic."""

from __future__ import annotations

import ast
import json
from fractions import Fraction
from pathlib import Path

import pytest
from tests.chaos.accounts import NET, Holding, holdings_of
from tests.chaos.report import share_within
from tests.chaos.venue_log import VenueTrade, complete, read_venue_log

HERE = Path(__file__).parent
JUDGE = ("checker.py", "accounts.py", "venue_log.py")


def test_it_imports_the_standard_library_psycopg_and_itself() -> None:
    found: set[str] = set()
    for name in JUDGE:
        for node in ast.walk(ast.parse((HERE / name).read_text())):
            if isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
            elif isinstance(node, ast.Import):
                found |= {each.name for each in node.names}
    assert not [name for name in found if name.startswith("pitwire")]
    assert {name for name in found if name.startswith("tests")} == {"tests.chaos.accounts", "tests.chaos.venue_log"}


def trade(trade_id: str, side: str, quantity: str, price: str, *, fee: str = "0", currency: str = "USDT") -> VenueTrade:
    return VenueTrade(
        "BTC-USDT", trade_id, "1", "A", side, Fraction(quantity), Fraction(price), Fraction(fee), currency
    )


def test_positions_are_booked_at_average_cost_and_may_flip() -> None:
    held = Holding()
    held.trade(Fraction(2), Fraction(100))
    held.trade(Fraction(1), Fraction(130))
    assert (held.quantity, held.cost) == tuple(map(Fraction, (3, 330)))
    held.trade(Fraction(-1), Fraction(120))
    assert (held.quantity, held.cost, held.realised) == tuple(map(Fraction, (2, 220, 10)))
    held.trade(Fraction(-3), Fraction(100))
    assert (held.quantity, held.cost, held.realised) == tuple(map(Fraction, (-1, -100, -10)))


def test_base_fees_cut_the_quantity_and_every_fee_counts_in_quote() -> None:
    trades = [
        ("s", trade("1", "BUY", "1", "100", fee="0.1", currency="BTC")),
        ("s", trade("2", "SELL", "0.5", "110", fee="2")),
    ]
    found = holdings_of(trades)
    assert set(found) == {("s", "BTC-USDT"), (NET, "BTC-USDT")}
    held = found[NET, "BTC-USDT"]
    assert (held.quantity, held.fees, held.realised) == (Fraction("0.4"), Fraction(12), Fraction(5))


def test_an_operation_without_its_end_never_happened(tmp_path: Path) -> None:
    log = tmp_path / "venue.jsonl"
    account = {"op": 1, "r": "account", "account": "main", "balances": {"USDT": "5"}, "end": True}
    cut = {"op": 2, "r": "balance", "asset": "USDT", "free": "9", "locked": "0"}
    log.write_text(json.dumps(account) + "\n" + json.dumps(cut) + "\n" + '{"op": 3, "r"')
    assert [record["op"] for record in complete(log)] == [1]
    assert read_venue_log(log).balances == {"USDT": 5}


@pytest.mark.parametrize(("moments", "share"), [([5], 1.0), ([1, 5], 0.5), ([10, 20, 25, 31], 0.5), ([], 0.0)])
def test_a_moment_counts_when_it_lies_in_any_span(moments: list[int], share: float) -> None:
    assert share_within(moments, [(3, 10), (4, 6), (20, 30)]) == share
