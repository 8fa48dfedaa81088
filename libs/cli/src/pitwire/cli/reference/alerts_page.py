"""Every alert: its code, who raises it, and what a person should do. A test holds it against the sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pitwire.cli.reference import markdown as md
from pitwire.common.enums import DenialCode

ALERTS: Final[Mapping[str, tuple[str, str]]] = {
    "ACCOUNT_ROWS_GO_ON": (
        "persistence",
        "Rows of an account that had stopped are written again, from where they ended.",
    ),
    "ACCOUNT_ROWS_STOPPED": (
        "persistence",
        (
            "A record of this account cannot be folded, so its rows stop there; trading goes on. Install a build that "
            "reads the record."
        ),
    ),
    "ACCOUNT_STOPPED": (
        "strategy",
        (
            "The journal of this account cannot be read on: its strategies ask for nothing more. Look at the record it "
            "names, then start the service again."
        ),
    ),
    "APPROVAL_REUSED": (
        "execution",
        "An approval came a second time; nothing was sent for it. The journal was tampered with.",
    ),
    "BOOK_NOT_READ": ("market-data", "The venue gave no snapshot of this book; it is asked for again."),
    "CANDLES_BEHIND_STORE": (
        "market-data",
        "The venue's newest candle is older than the one stored: its clock or data went back.",
    ),
    "CANDLE_HOLE": (
        "market-data",
        "Candles are missing and the venue has none to fill the hole; strategies see it as it is.",
    ),
    "CURSOR_MOVED_BACK": ("persistence", "Somebody set the stored cursor back; rows are written again, none twice."),
    "DELIVERIES_NOT_KEPT": (
        "strategy",
        "What strategies are given is not kept: `pitwire replay` will not repeat their decisions. Apply the topology.",
    ),
    "DAILY_LOSS_EXCEEDED": (
        "risk-gate",
        (
            "Today's loss reached its limit: only reductions pass, working orders that would raise the exposure are "
            "withdrawn. Leave with `pitwire flatten`, or wait for the next day."
        ),
    ),
    "DISAGREEMENT": (
        "risk-gate",
        "Processes differ in configuration, schemas or release: no new orders until they agree.",
    ),
    "DRAWDOWN_EXCEEDED": (
        "risk-gate",
        (
            "Equity fell from its peak by the limit: as for the daily loss, and it does not end by itself. Then "
            "decide, and change the limit with `pitwire limits --set`."
        ),
    ),
    "FEED_DISCONNECTED": ("market-data", "A connection to the venue was lost; it is made again by itself."),
    "GATE_LOST": ("execution", "The gate is not heard: nothing new leaves and working orders are cancelled."),
    "HALT_NOT_STORED": (
        "risk-gate",
        "A halt could not be put into the journal yet; it is tried until it stands there.",
    ),
    "HALT_UNREADABLE": ("persistence", "A halt that no schema accepts: it counts as a halt of everything."),
    "HISTORY_NOT_READ": ("market-data", "The venue gave no candles of before the start; they are asked for again."),
    "INSTRUMENT_DELISTED": ("market-data", "The venue lists it no longer: only reductions pass, though it takes none."),
    "INSTRUMENTS_NOT_REFRESHED": ("market-data", "The venue gave no definitions; the known ones stay in force."),
    "INTENT_UNANSWERED": (
        "strategy",
        "The gate did not answer before the intent expired; it is wanted anew from what is held.",
    ),
    "INVALID_APPROVAL": (
        "execution",
        "An approval does not match its intent: not sent. Look for a second writer of the ledger.",
    ),
    "COMMANDS_FILL": (
        "risk-gate",
        "The stream of commands is 70 percent full; without room nobody can command anything.",
    ),
    "ANSWER_NOT_STORED": ("risk-gate", "The answer to a command found no room; commands wait until there is some."),
    "JOURNAL_FILLS": ("risk-gate", "The journal is 70 percent full: is persistence running?"),
    "JOURNAL_FULL": ("risk-gate", "The journal is 85 percent full: accounts only reduce until a person resumes."),
    "JOURNAL_LOST": (
        "risk-gate, persistence",
        "Acknowledged records are gone from the journal: everything is halted until a person resumes.",
    ),
    "JOURNAL_RECORD_UNREADABLE": (
        "persistence",
        "A record of the journal cannot be read; it is kept in quarantined_records.",
    ),
    "JOURNAL_REFUSES": ("execution", "The journal takes no record: full, or not permitted. It is tried again."),
    "LEDGER_REFUSED": (
        "risk-gate",
        "The ledger takes no record: full, or not permitted. Nothing is decided meanwhile.",
    ),
    "ORDER_IN_DOUBT": (
        "execution",
        "The venue has not said within 30 s what became of an order: ask the venue yourself.",
    ),
    "ORDER_VANISHED": (
        "execution",
        "An order that worked is not known to the venue any more; its trades are asked for.",
    ),
    "PERSISTENCE_LAGS": (
        "risk-gate",
        "Rows follow more than five minutes late: accounts only reduce until a person resumes.",
    ),
    "POISON": (
        "risk-gate, execution",
        "A record of the journal cannot be folded: this account is halted. The record is named; it is never skipped.",
    ),
    "ACCOUNT_DISAGREES": (
        "execution",
        "A venue account holds something else than the books say; it only reduces: `pitwire reconcile` settles it.",
    ),
    "RECONCILE_FAILS": ("execution", "The venue cannot be asked what is open and what traded; it is tried again."),
    "RECORD_UNREADABLE": (
        "persistence",
        "A record beside the journal cannot be read; it is kept in quarantined_records.",
    ),
    "REJECTED_ORDER_WORKS": (
        "execution",
        "The venue works on an order that it had rejected; it is counted and cancelled.",
    ),
    "SNAPSHOT": (
        "risk-gate, execution",
        "A snapshot was not kept or not usable: the next start takes longer, nothing is lost.",
    ),
    "STANDSTILL": ("persistence", "No row was written though records wait: look at PostgreSQL."),
    "STRATEGY_QUARANTINED": ("strategy", "A strategy raised an error: it is asked no more until it is started again."),
    "STREAM_BEGAN_ANEW": ("persistence", "A stream that may be lost began again; its rows go on under a new epoch."),
    "STREAM_BEHIND": ("persistence", "A stream ends before what is stored of it; it is waited for."),
    "TRADES_MISSING": ("execution", "The venue counts more filled than the trades it tells: ask the venue yourself."),
    "WRONG_PARTITION": (
        "persistence",
        "A record stands on the subject of another account; it is kept in quarantined_records.",
    ),
}
"""Code to who raises it and what it asks of a person."""

BREACHES: Final = (DenialCode.DAILY_LOSS_EXCEEDED, DenialCode.DRAWDOWN_EXCEEDED)
"""Denial codes that are alerts too, when their limit is reached."""


def alerts_page() -> str:
    """`alert.<severity>.<source>` by code."""
    rows = [[md.code(code), source, meaning] for code, (source, meaning) in sorted(ALERTS.items())]
    return md.page(
        "Alerts",
        "`pitwire.cli.reference.alerts_page`",
        "An alert is for a person: on the subject `alert.<severity>.<source>`, in the table `alerts`, in the log, and "
        "in `pitwire status`. INFO, WARNING or CRITICAL says how soon to look. What a report told that it should not "
        "have is an alert too, under the codes of [denial-codes.md](denial-codes.md#a-report-told-something-odd).",
        md.table(["code", "raised by", "what it means and asks for"], rows),
    )
