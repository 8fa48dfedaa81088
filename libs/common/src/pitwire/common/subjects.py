"""The only place where a subject is spelled. Templates name their variable tokens in braces."""

from __future__ import annotations

from typing import Final

from pitwire.common.ids import partition_of, symbol_of, token, venue_of

INTENT: Final = "int.{partition}.{account}.{strategy}"
LEDGER: Final = "oms.{partition}.risk.{account}"
EXEC: Final = "oms.{partition}.exec.{account}"
HALT: Final = "oms.halt.{source}"
RESUME: Final = "oms.resume"
FIRM: Final = "oms.firm"
COMMAND: Final = "ctl.cmd.{operator}.{service}.{verb}"
COMMAND_RESULT: Final = "ctl.res.{operator}.{command_id}"
HALT_SEEN: Final = "ctl.seen.{service}.{halt_id}"
TRADE: Final = "md.{venue}.{symbol}.trade"
QUOTE: Final = "md.{venue}.{symbol}.bbo"
BOOK: Final = "md.{venue}.{symbol}.book"
CANDLE: Final = "md.{venue}.{symbol}.candle.{interval}"
INSTRUMENT: Final = "md.{venue}.{symbol}.instrument"
VENUE_STATUS: Final = "md.{venue}.status"
DECISION_TRACE: Final = "trace.decision.{strategy}"
DELIVERED: Final = "delivered.strategy.{slot}"
RISK_METRICS: Final = "portfolio.{account}.risk"
ALERT: Final = "alert.{severity}.{source}"
HEARTBEAT: Final = "svc.{service}.{slot}.heartbeat"
DEAD_LETTER: Final = "dlq.{service}"
LEASE: Final = "lease.{service}.{slot}"
SNAPSHOT: Final = "snap.{service}.{account}"
BACKTEST_JOB: Final = "job.backtest.{sweep}.{run}"
BACKTEST_RESULT: Final = "result.backtest.{sweep}.{run}"
BACKTEST_PROGRESS: Final = "progress.backtest.{sweep}"

HALTS: Final = "oms.halt.*"
"""Every halt, whoever added it."""

EVERY_JOURNAL: Final = "oms.>"
RESTORE: Final = "restore"
"""Before a subject of the journal: what puts its record back. The stream listens there only while it is restored."""

EVERY_MARKET: Final = "md.>"
EVERY_COMMAND: Final = "ctl.cmd.>"
EVERY_COMMAND_RESULT: Final = "ctl.res.>"
EVERY_HALT_SEEN: Final = "ctl.seen.>"
EVERY_HEARTBEAT: Final = "svc.>"
EVERY_ALERT: Final = "alert.>"
EVERY_DEAD_LETTER: Final = "dlq.>"
EVERY_TRACE: Final = "trace.>"
EVERY_PORTFOLIO: Final = "portfolio.>"


def pattern(template: str) -> str:
    """The template with `*` for every variable: what a stream or a reader of everything subscribes to."""
    return ".".join("*" if part.startswith("{") else part for part in template.split("."))


def tail(subject: str) -> str:
    """The last token: of market data, its kind."""
    return subject.rpartition(".")[2]


def tokens(template: str, subject: str) -> dict[str, str] | None:
    """The variables of `subject` under `template`; None when it does not fit."""
    parts, names = subject.split("."), template.split(".")
    if len(parts) != len(names):
        return None
    found: dict[str, str] = {}
    for name, part in zip(names, parts, strict=True):
        if name.startswith("{"):
            found[name[1:-1]] = part
        elif name != part:
            return None
    return found


def intent(account: str, strategy: str) -> str:
    return f"int.{partition_of(account)}.{token(account, what='account')}.{token(strategy, what='strategy')}"


def intents_of(account: str) -> str:
    return f"int.{partition_of(account)}.{token(account, what='account')}.*"


def ledger(account: str) -> str:
    return f"oms.{partition_of(account)}.risk.{token(account, what='account')}"


def exec_events(account: str) -> str:
    return f"oms.{partition_of(account)}.exec.{token(account, what='account')}"


def halt(source: str) -> str:
    return f"oms.halt.{token(source, what='source')}"


def oms_of(account: str) -> tuple[str, ...]:
    """Everything on the journal that decides one account: its ledger, its execution events, halts and resumes."""
    return (ledger(account), exec_events(account), HALTS, RESUME)


def command(operator: str, service: str, verb: str) -> str:
    return f"ctl.cmd.{token(operator, what='operator')}.{token(service, what='service')}.{verb}"


def commands_for(service: str) -> str:
    return f"ctl.cmd.*.{token(service, what='service')}.*"


def command_result(operator: str, command_id: str) -> str:
    return f"ctl.res.{token(operator, what='operator')}.{command_id}"


def halt_seen(service: str, halt_id: str) -> str:
    return f"ctl.seen.{token(service, what='service')}.{halt_id}"


def trade(instrument_id: str) -> str:
    return f"md.{venue_of(instrument_id)}.{symbol_of(instrument_id)}.trade"


def quote(instrument_id: str) -> str:
    return f"md.{venue_of(instrument_id)}.{symbol_of(instrument_id)}.bbo"


def book(instrument_id: str) -> str:
    return f"md.{venue_of(instrument_id)}.{symbol_of(instrument_id)}.book"


def candle(instrument_id: str, interval: str) -> str:
    return f"md.{venue_of(instrument_id)}.{symbol_of(instrument_id)}.candle.{token(interval, what='interval')}"


def instrument(instrument_id: str) -> str:
    return f"md.{venue_of(instrument_id)}.{symbol_of(instrument_id)}.instrument"


def venue_status(venue: str) -> str:
    return f"md.{token(venue, what='venue')}.status"


def decision_trace(strategy: str) -> str:
    return f"trace.decision.{token(strategy, what='strategy')}"


def delivered(slot: str) -> str:
    return f"delivered.strategy.{token(slot, what='slot')}"


def risk_metrics(account: str) -> str:
    return f"portfolio.{token(account, what='account')}.risk"


def alert(severity: str, source: str) -> str:
    return f"alert.{severity.lower()}.{token(source, what='source')}"


def heartbeat(service: str, slot: str) -> str:
    return f"svc.{token(service, what='service')}.{token(slot, what='slot')}.heartbeat"


def dead_letter(service: str) -> str:
    return f"dlq.{token(service, what='service')}"


def lease(service: str, slot: str) -> str:
    return f"lease.{token(service, what='service')}.{token(slot, what='slot')}"


def snapshot(service: str, account: str) -> str:
    return f"snap.{token(service, what='service')}.{token(account, what='account')}"


def backtest_job(sweep: str, run: str) -> str:
    return f"job.backtest.{token(sweep, what='sweep')}.{token(run, what='run')}"


def backtest_result(sweep: str, run: str) -> str:
    return f"result.backtest.{token(sweep, what='sweep')}.{token(run, what='run')}"


def backtest_results_of(sweep: str) -> str:
    return f"result.backtest.{token(sweep, what='sweep')}.*"


def backtest_progress(sweep: str) -> str:
    return f"progress.backtest.{token(sweep, what='sweep')}"
