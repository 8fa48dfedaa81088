"""What a campaign says: one line a cycle, and a summary that adds up every part of it ever run on the same folder."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row
from tests.chaos.campaign import Cycle

from pitwire.common.crashpoints import CrashPoint

LEDGER = "cycles.jsonl"
HEADER = f"{'cycle':>5} {'what':<11} {'killed':<60} {'ready s':>7} {'orders':>6}  judged"
LIVES: LiteralString = """
SELECT began.written_ns AS began_ns, word.written_ns AS word_ns,
  CASE WHEN orders.order_status IN ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED', 'NOT_SENT') THEN done.written_ns END
  AS ended_ns
FROM orders
JOIN journal_records AS began ON began.oms_sequence = orders.decision_sequence
JOIN journal_records AS done ON done.oms_sequence = orders.oms_sequence
LEFT JOIN LATERAL (
  SELECT min(oms_sequence) AS at FROM order_history
  WHERE order_history.account = orders.account AND order_history.client_order_id = orders.client_order_id
  AND event NOT IN ('APPROVED', 'SUBMITTING')
) AS first ON true
LEFT JOIN journal_records AS word ON word.oms_sequence = first.at
"""


def line(made: Cycle) -> str:
    """One cycle as a row."""
    killed = ", ".join(kill["point"] or f"{kill['name']} ({kill['how']})" for kill in made.kills)
    judged = ""
    if made.stuck:
        judged = f"NOT RECOVERED: {', '.join(made.stuck)}"
    elif made.verified:
        judged = "clean" if made.is_clean else f"NOT CLEAN: {made.verified['violated']} {made.checked['faults'][:3]}"
    missed = f"; not reached: {', '.join(made.missed)}" if made.missed else ""
    figures = f"{made.recovered_s:>7.1f} {made.orders:>6}"
    return f"{made.number:>5} {made.kind:<11} {killed[:60]:<60} {figures}  {judged}{missed}"


def keep(data_dir: Path, made: Cycle) -> None:
    """Remembers a cycle beside the data it was run on."""
    with (data_dir / LEDGER).open("a") as file:
        file.write(json.dumps(asdict(made)) + "\n")


def kept(data_dir: Path) -> list[dict[str, Any]]:
    """Every cycle ever run on this folder."""
    path = data_dir / LEDGER
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []


def summary(data_dir: Path, database_url: str, wins: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """Everything added up; `clean` is what the exit code says."""
    cycles = kept(data_dir)
    kills = [kill for made in cycles for kill in made["kills"]]
    judged = [made for made in cycles if made["verified"]]
    open_share, flight_share, orders = shares(database_url, [kill["wall_ns"] for kill in kills])
    unclean = [made["number"] for made in judged if not (made["verified"]["holds"] and made["checked"]["clean"])]
    stuck = [made["number"] for made in cycles if made["stuck"]]
    at_points = Counter(kill["point"] for kill in kills if kill["point"])
    last = judged[-1] if judged else {"verified": {}, "checked": {}}
    return {
        "cycles": len(cycles),
        "kills": len(kills),
        "kills_by_service": dict(Counter(kill["name"] for kill in kills)),
        "kills_by_way": dict(Counter(kill["how"] for kill in kills)),
        "kills_by_point": {str(point): at_points[point] for point in CrashPoint if at_points[point]},
        "points_reached": len(at_points),
        "points": len(CrashPoint),
        "points_missed": dict(Counter(point for made in cycles for point in made["missed"])),
        "kills_with_an_order_open": round(open_share, 3),
        "kills_with_an_order_in_flight": round(flight_share, 3),
        "orders": orders,
        "fills": last["checked"].get("fills"),
        "judged": len(judged),
        "verify": {key: value for key, value in last["verified"].items() if key != "checks"},
        "checker": last["checked"],
        "compare_and_sets": wins,
        "not_clean": unclean,
        "not_recovered": stuck,
        "seconds": round(seconds, 1),
        "clean": bool(judged) and not unclean and not stuck,
    }


def shares(database_url: str, moments: list[int]) -> tuple[float, float, int]:
    """Of the moments: how many lay between an order's approval and its end, and before the first word about it."""
    with psycopg.Connection[dict[str, Any]].connect(database_url, row_factory=dict_row) as connection:
        rows = connection.execute(LIVES).fetchall()
    never = max(moments, default=0) + 1
    lives = [(row["began_ns"], row["ended_ns"] or never) for row in rows]
    flights = [(row["began_ns"], row["word_ns"] or never) for row in rows]
    return share_within(moments, lives), share_within(moments, flights), len(rows)


def share_within(moments: list[int], spans: list[tuple[int, int]]) -> float:
    """The share of `moments` that lie within at least one span."""
    starts, ends = sorted(begin for begin, _ in spans), sorted(end for _, end in spans)
    within = sum(bisect_right(starts, moment) > bisect_right(ends, moment) for moment in moments)
    return within / len(moments) if moments else 0.0
