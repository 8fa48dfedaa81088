"""`pitwire why`: from what a strategy saw to what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pitwire.cli.database import Database, Row, database_of
from pitwire.cli.discovery import find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.output import Reply
from pitwire.cli.views.shapes import figure, joined, where
from pitwire.common.clock import NS_PER_S
from pitwire.common.config import load_config
from pitwire.common.enums import DenialCode
from pitwire.common.errors import UsageError
from pitwire.common.refusals import REFUSALS

EVALUATIONS: Final = """
select account, strategy, instrument_id, event_at, event_ns, signal, reason, "values", target_position, intent_no
from decision_traces {where} order by decided_ns desc, traces_sequence desc limit %(limit)s
"""
VERDICT: Final = """
select verdict, code, limit_value, observed, detail, client_order_id, side, order_type, quantity, limit_price,
  decided_at from risk_decisions where account = %(account)s and strategy = %(strategy)s and intent_no = %(intent_no)s
order by oms_sequence limit 1
"""
ORDER: Final = """
select order_status, cum_quantity, round(average_price, 8) as average_price, reason
from orders where client_order_id = %(client_order_id)s
"""
FILLS: Final = """
select executed_at, quantity, price, fee, fee_currency, liquidity, round(realised_pnl, 8) as realised_pnl
from fills where client_order_id = %(client_order_id)s order by oms_sequence, entry_no
"""


def show_why(data_dir: Path, strategy: str, *, at: str, instrument: str, limit: int) -> Reply:
    """The newest evaluations up to `at`, each with verdict, order and fills; exit code 1 when there is none."""
    running = find_running(data_dir)
    config = load_config(running.config)
    if strategy not in config.strategies:
        raise UsageError(f"strategy {strategy!r} is not configured; known: {', '.join(config.strategies) or 'none'}")
    clause, parameters = where({"strategy": strategy, "instrument_id": instrument})
    if at:
        clause = joined(clause, "event_ns <= %(at_ns)s")
        parameters["at_ns"] = market_ns(at)
    with database_of(running) as database:
        rows = database.rows(EVALUATIONS.format(where=clause), parameters | {"limit": limit})
        found = [_chain(database, row) for row in rows]
    if not found:
        return Reply([], (f"{strategy} has evaluated nothing{' by then' if at else ' yet'}",), ExitCode.NO)
    return Reply(list(found), tuple(chain_text(chain) for chain in found))


def market_ns(text: str) -> int:
    """ISO 8601 as nanoseconds; a time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--at {text!r} is not a time; write it as 2024-07-26T18:00:00Z") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000) * 1_000 if moment.microsecond else int(moment.timestamp()) * NS_PER_S


def chain_text(chain: Row) -> str:
    """The story in lines."""
    values = "  ".join(f"{key} {value}" for key, value in (chain["values"] or {}).items())
    head = (figure(chain["event_at"]), chain["strategy"], chain["instrument_id"])
    lines = [
        f"{'  '.join(head)}  {chain['signal']}: {chain['reason']}",
        f"  saw      {values or 'nothing yet'}",
    ]
    if chain["target_position"] is not None:
        lines.append(f"  wanted   a position of {figure(chain['target_position'])}")
    verdict: dict[str, Any] | None = chain["verdict"]
    if verdict is None:
        lines.append("  asked    for nothing" if not chain["intent_no"] else "  asked    and was not answered yet")
        return "\n".join(lines)
    lines.append(f"  asked    {_asked(verdict)}")
    lines.append(f"  gate     {_verdict_text(verdict)}")
    if order := chain["order"]:
        price = f" at {figure(order['average_price'])}" if order["average_price"] is not None else ""
        lines.append(
            f"  order    {order['order_status']}, filled {figure(order['cum_quantity'])}{price} {order['reason']}"
        )
    lines += [_fill_text(fill) for fill in chain["fills"]]
    return "\n".join(lines)


def _fill_text(fill: Row) -> str:
    return (
        f"  fill     {figure(fill['quantity'])} at {figure(fill['price'])}, fee {figure(fill['fee'])} "
        f"{fill['fee_currency']}, {figure(fill['liquidity'])}, realised {figure(fill['realised_pnl'])}"
    )


def _chain(database: Database, row: Row) -> Row:
    key = {"account": row["account"], "strategy": row["strategy"], "intent_no": row["intent_no"]}
    verdicts = database.rows(VERDICT, key) if row["intent_no"] else []
    verdict = verdicts[0] if verdicts else None
    order_key = {"client_order_id": verdict["client_order_id"]} if verdict and verdict["client_order_id"] else None
    orders = database.rows(ORDER, order_key) if order_key else []
    return row | {
        "verdict": verdict,
        "order": orders[0] if orders else None,
        "fills": database.rows(FILLS, order_key) if order_key else [],
    }


def _asked(verdict: Row) -> str:
    words = (verdict["side"], verdict["quantity"], verdict["order_type"], verdict["limit_price"])
    return " ".join(figure(word) for word in words if word is not None) or "for a cancel"


def _verdict_text(verdict: Row) -> str:
    if verdict["code"] is None:
        return f"{verdict['verdict']}, order {figure(verdict['client_order_id'])}"
    meaning = REFUSALS[DenialCode(verdict["code"])].meaning() if verdict["code"] in DenialCode.__members__ else ""
    figures = f"limit {figure(verdict['limit_value'])}, observed {figure(verdict['observed'])}"
    return f"{verdict['verdict']} {verdict['code']}: {figures}. {meaning} {verdict['detail']}".rstrip()
