"""`pitwire compare`: a live run beside the backtest of the candles that it saw."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pitwire.backtest.adapters.files import Files
from pitwire.backtest.core.assembly import engine_of
from pitwire.backtest.core.beside_live import Beside, Filled, Key, WarmedUp, beside, by_decision, filled, summary
from pitwire.backtest.core.candles import COLUMNS, Candles
from pitwire.backtest.core.fills import FillModel
from pitwire.backtest.core.job import Job, StrategyJob
from pitwire.cli.discovery import find_running
from pitwire.cli.identities import connect_as
from pitwire.cli.output import Column, Reply, Table
from pitwire.cli.views.replayed import PRINCIPAL, Kept, kept
from pitwire.common import codec, subjects
from pitwire.common.bus.port import Record
from pitwire.common.config import AccountConfig, PitwireConfig, load_config
from pitwire.common.enums import DataQuality, DeliveryKind
from pitwire.common.errors import UsageError
from pitwire.common.money import canonical, product
from pitwire.common.schemas.deliveries import Delivery
from pitwire.common.schemas.execution import ExecReport
from pitwire.common.schemas.ledger import Approved, Denied, RiskDecision, Verdict
from pitwire.common.schemas.market import Candle, Instrument
from pitwire.common.schemas.orders import OrderIntent

ROWS_SHOWN: Final = 30
NAMES: Final = ("both", "only_live", "only_backtest", "mean_delay_ms", "mean_worse_bps", "dearer_fees")


def compare_running(data_dir: Path, account: str, assumed: Mapping[str, str]) -> Reply:
    """Every decision of either, and why they differ. `assumed` are fields of the backtest's fill model."""
    running = find_running(data_dir)
    config = load_config(running.config)
    if account not in config.accounts:
        msg = f"--account {account}: not in {running.config}; it has {', '.join(config.accounts)}"
        raise UsageError(msg)

    async def ask() -> Kept:
        bus = await connect_as(PRINCIPAL, running)
        try:
            return await kept(bus)
        finally:
            await bus.close()

    return reply(compare(asyncio.run(ask()), config, account, assumed, (running.config.resolve().parent, Path.cwd())))


def compare(
    found: Kept, config: PitwireConfig, account: str, assumed: Mapping[str, str], folders: tuple[Path, ...]
) -> list[Beside]:
    """The live orders of the account beside those of its strategies in a backtest.

    Raises:
        UsageError: the account has no strategy on candles, or what its process began with is not kept any more.
    """
    series = _series(found, config, account)
    live, refused = _live(found, account)
    job = _job(config.accounts[account], config, account, series, assumed)
    sources, silent = Files(folders), _warm_up_only(found)
    run = engine_of(job, series, lambda each: WarmedUp(sources.strategy(each), silent)).run()
    return beside(live, by_decision(run.trades, {each.name: each for each in series}), refused)


def _job(
    account: AccountConfig, config: PitwireConfig, name: str, series: Sequence[Candles], assumed: Mapping[str, str]
) -> Job:
    fees = {"taker_bps": series[0].instrument.taker_fee_bps, "maker_bps": series[0].instrument.maker_fee_bps}
    return Job(
        strategies=tuple(
            StrategyJob(name=key, type=s.type, params=s.params, capital=s.capital, instruments=s.instruments)
            for key, s in config.strategies_of(name).items()
        ),
        data=("-",),
        capital=account.capital[account.quote],
        limits=account.limits,
        fills=FillModel.model_validate({**fees, **assumed}),
    )


def _series(found: Kept, config: PitwireConfig, account: str) -> list[Candles]:
    """What the strategies of the account saw, an instrument each; doubtful candles, which they never see, left out."""
    strategies = config.strategies_of(account).values()
    intervals = {each.interval for each in strategies}
    if len(intervals) != 1:
        msg = f"the strategies of {account} are on candles of {' and '.join(sorted(intervals))}; one interval is needed"
        raise UsageError(msg)
    wanted = dict.fromkeys(instrument for each in strategies for instrument in each.instruments)
    series: list[Candles] = []
    for instrument_id in wanted:
        candles = _candles_on(found.candles.values(), subjects.candle(instrument_id, *intervals))
        definition = found.instruments.get(instrument_id)
        if not candles or definition is None:
            raise UsageError(f"{instrument_id}: no candles are kept")
        series.append(_columns(definition, candles))
    return series


def _candles_on(records: Iterable[Record], subject: str) -> list[Candle]:
    """By time, each once."""
    mine = (codec.decode(Candle, each.data, subject=each.subject) for each in records if each.subject == subject)
    by_time = {candle.open_time_ns: candle for candle in mine if candle.quality is DataQuality.OK and candle.closed}
    return [by_time[time] for time in sorted(by_time)]


def _columns(instrument: Instrument, candles: Sequence[Candle]) -> Candles:
    columns = {name: array("d", (float(getattr(candle, name)) for candle in candles)) for name in COLUMNS}
    exact = {
        (name, row): value
        for name in COLUMNS
        for row, candle in enumerate(candles)
        if Decimal(repr(columns[name][row])) != (value := getattr(candle, name))
    }
    first = candles[0]
    times = array("q", (candle.open_time_ns for candle in candles))
    return Candles(instrument, first.interval, first.close_time_ns - first.open_time_ns, times, exact=exact, **columns)


def _warm_up_only(found: Kept) -> set[tuple[str, int]]:
    """Instrument and close of the candles that live strategies did not act on: history at the start, and backfilled."""
    first = next((each for message in found.deliveries for each in message.deliveries if _is_warm_up(each)), None)
    if first is None:
        raise UsageError("what the strategies began with is not kept any more (stream DELIVERED)")
    silent: set[tuple[str, int]] = set()
    for sequence, record in found.candles.items():
        candle = codec.decode(Candle, record.data, subject=record.subject)
        if candle.backfilled or sequence <= first.sequence:
            silent.add((candle.instrument_id, candle.close_time_ns))
    return silent


def _is_warm_up(delivery: Delivery) -> bool:
    return delivery.kind is DeliveryKind.WARMED_UP


def _live(found: Kept, account: str) -> tuple[dict[Key, Filled], dict[Key, str]]:
    """The fills of each decision, and what became of those without."""
    decided: dict[str, Key] = {}
    told: dict[Key, str] = {}
    fills: dict[Key, list[tuple[int, Decimal, Decimal, Decimal]]] = {}
    for record in found.journal.values():
        if record.subject == subjects.ledger(account) and record.schema == RiskDecision.schema_name():
            for verdict in codec.decode(RiskDecision, record.data, subject=record.subject).verdicts:
                _note(verdict, decided, told)
        elif record.subject == subjects.exec_events(account) and record.schema == ExecReport.schema_name():
            report = codec.decode(ExecReport, record.data, subject=record.subject)
            key = decided.get(report.client_order_id)
            if report.is_fill and key is not None:
                fills.setdefault(key, []).append(_fill(report))
    return {key: filled(each) for key, each in fills.items()}, told


def _note(verdict: Verdict, decided: dict[str, Key], told: dict[Key, str]) -> None:
    intent = verdict.intent
    if not isinstance(intent, OrderIntent) or intent.basis.subject == subjects.COMMAND:
        return
    key = intent.strategy, intent.instrument_id, intent.side, intent.basis.ts_event_ns
    if isinstance(verdict, Approved):
        decided[verdict.client_order_id] = key
        told[key] = "approved, and not filled at the venue"
    elif isinstance(verdict, Denied):
        told[key] = f"the gate said {verdict.code} {verdict.detail}".strip()


def _fill(report: ExecReport) -> tuple[int, Decimal, Decimal, Decimal]:
    """With the fee in quote currency: one in the base currency is worth the price of the fill."""
    base = report.instrument_id.partition("-")[0]
    fee = product(report.fee, report.last_price) if report.fee_currency == base else report.fee
    return report.ts_event_ns, report.last_quantity, report.last_price, fee


def reply(found: Sequence[Beside]) -> Reply:
    """The newest decisions as a table, all of them as JSON."""
    whole = summary(found)
    rows = tuple(_row(each) for each in found[-ROWS_SHOWN:])
    figures = ("quantity", "live", "backtest", "delay ms", "worse bps", "fee more")
    columns = tuple(Column(name, right=name in figures) for name in ("strategy", "instrument", "side", *figures, "why"))
    told = ", ".join(f"{name.replace('_', ' ')} {_shown(whole[name])}" for name in NAMES)
    document = {"orders": [_document(each) for each in found], "summary": whole}
    return Reply(document, (Table(f"last {len(rows)} of {len(found)} decisions", columns, rows, "none yet"), told))


def _row(each: Beside) -> tuple[str, ...]:
    strategy, instrument_id, side, _ = each.key
    quantity = (each.live or each.backtest or Filled(0, Decimal(0), Decimal(0), Decimal(0))).quantity
    prices = tuple("-" if one is None else f"{one.price:,.2f}" for one in (each.live, each.backtest))
    figures = (each.delay_ms, each.worse_bps, each.dearer)
    return strategy, instrument_id, side.value, canonical(quantity), *prices, *map(_shown, figures), each.why


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:,.2f}" if isinstance(value, float | Decimal) else str(value)


def _document(each: Beside) -> dict[str, Any]:
    strategy, instrument_id, side, decided_ns = each.key
    return {
        "strategy": strategy,
        "instrument_id": instrument_id,
        "side": side,
        "decided_ns": decided_ns,
        "live": _filled_document(each.live),
        "backtest": _filled_document(each.backtest),
        "delay_ms": each.delay_ms,
        "worse_bps": each.worse_bps,
        "dearer_fee": each.dearer,
        "why": each.why,
    }


def _filled_document(found: Filled | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"first_ns": found.first_ns, "quantity": found.quantity, "price": found.price, "fee": found.fee}
