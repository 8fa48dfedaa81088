"""`pitwire order`, `cancel` and `flatten`: commands to the gate, their answers, and what the venue said next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from pitwire.cli.discovery import Running, find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.operator import Operator
from pitwire.cli.output import Document, Reply
from pitwire.common import codec, subjects
from pitwire.common.clock import SystemClock
from pitwire.common.config import PitwireConfig, load_config
from pitwire.common.enums import CommandStatus, CommandVerb, OrderType, Side, TimeInForce
from pitwire.common.errors import DecodeError, UsageError
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import CommandResult
from pitwire.common.schemas.execution import ExecReport, NotSent
from pitwire.common.schemas.ledger import Approved

FOLLOW_S: Final = 2.0
"""How long `pitwire order` waits for what becomes of an approved order."""


def place_order(data_dir: Path, *, account: str, reason: str, args: Mapping[str, str]) -> Reply:
    """One manual order: checked here for what a person mistypes, decided by the gate."""
    check_order(args)
    running = find_running(data_dir)
    check_names(args, account, load_config(running.config))

    async def ask() -> Reply:
        async with await Operator.connect(running, SystemClock()) as operator:
            result = await operator.command(CommandVerb.ORDER, args, account=account, reason=reason)
            order_id = approved_order(result)
            happened = await _follow(operator, account, order_id, result) if order_id else []
        return _order_reply(result, order_id, happened)

    return asyncio.run(ask())


def cancel_orders(
    data_dir: Path, *, account: str, reason: str, client_order_id: str, everything: bool, strategy: str, instrument: str
) -> Reply:
    """One order by its id, or all of a scope."""
    if bool(client_order_id) == everything:
        raise UsageError("give a client_order_id, or --all; `pitwire orders --working` lists them")
    args = _scope(strategy, instrument) | ({"client_order_id": client_order_id} if client_order_id else {})
    return _command(find_running(data_dir), CommandVerb.CANCEL, args, account=account, reason=reason)


def flatten_positions(data_dir: Path, *, account: str, reason: str, strategy: str, instrument: str) -> Reply:
    """Reducing orders for all positions of a scope."""
    return _command(
        find_running(data_dir), CommandVerb.FLATTEN, _scope(strategy, instrument), account=account, reason=reason
    )


def check_order(args: Mapping[str, str]) -> None:
    """`UsageError` for what is wrong in every system."""
    for name, kind in (("side", Side), ("order_type", OrderType), ("time_in_force", TimeInForce)):
        known = [member.value for member in kind]
        if args[name] not in known:
            raise UsageError(f"{name} {args[name]!r}: give one of {', '.join(known)}")
    for name in ("quantity", "limit_price"):
        if name in args:
            _positive(name, args[name])
    if OrderType(args["order_type"]).has_limit_price != ("limit_price" in args):
        raise UsageError(f"a {args['order_type']} order {'takes no' if 'limit_price' in args else 'needs a'} --price")


def check_names(args: Mapping[str, str], account: str, config: PitwireConfig) -> None:
    """`UsageError` for an account or an instrument that this system does not have."""
    if account not in config.accounts:
        raise UsageError(f"account {account!r} is not configured; known: {', '.join(config.accounts)}")
    if args["instrument_id"] not in config.instruments():
        known_ids = ", ".join(config.instruments())
        raise UsageError(f"instrument {args['instrument_id']!r} is not configured; known: {known_ids}")


def _positive(name: str, text: str) -> None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise UsageError(f"{name} {text!r} is not a number") from None
    if not value.is_finite() or value <= 0:
        raise UsageError(f"{name} {text!r} must be above zero")


def approved_order(result: CommandResult) -> str:
    """The client_order_id in the gate's answer to one order; empty when it was denied."""
    word, _, order_id = result.data.get("1", "").partition(" ")
    return order_id if word == Approved.model_fields["verdict"].default else ""


def set_limits(data_dir: Path, *, account: str, reason: str, changes: tuple[str, ...]) -> Reply:
    """The limits named in `changes` (NAME=VALUE) hold from the ledger record on that the reply names."""
    args: dict[str, str] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"--set {change!r}: write it as order_value_max=5000")
        args[name] = value
    return _command(find_running(data_dir), CommandVerb.LIMITS, args, account=account, reason=reason)


def pause_strategy(data_dir: Path, strategy: str, *, account: str, reason: str, paused: bool) -> Reply:
    """A paused strategy opens nothing; its reductions and cancels still pass."""
    args = {"strategy": strategy, "paused": "true" if paused else "false"}
    return _command(find_running(data_dir), CommandVerb.PAUSE, args, account=account, reason=reason)


def record_capital(data_dir: Path, *, amount: str, asset: str, venue_account: str, account: str, reason: str) -> Reply:
    """Money that came to or left the venue counts from the ledger record on that the reply names."""
    args = {"amount": amount, "asset": asset} | ({"venue_account": venue_account} if venue_account else {})
    return _command(find_running(data_dir), CommandVerb.CAPITAL, args, account=account, reason=reason)


def _scope(strategy: str, instrument: str) -> dict[str, str]:
    return {key: value for key, value in (("strategy", strategy), ("instrument_id", instrument)) if value}


def _command(running: Running, verb: CommandVerb, args: Mapping[str, str], *, account: str, reason: str) -> Reply:
    config = load_config(running.config)
    if account not in config.accounts:
        raise UsageError(f"account {account!r} is not configured; known: {', '.join(config.accounts)}")

    async def ask() -> Reply:
        async with await Operator.connect(running, SystemClock()) as operator:
            return _reply(await operator.command(verb, args, account=account, reason=reason))

    return asyncio.run(ask())


def _document(result: CommandResult) -> dict[str, object]:
    return {
        "command_id": result.command_id,
        "status": result.status.value,
        "code": result.code,
        "text": result.text,
        "data": dict(result.data),
        "oms_sequence": result.oms_sequence,
    }


def _reply(result: CommandResult, extra: Document | None = None) -> Reply:
    document = _document(result) | (extra if isinstance(extra, dict) else {})
    done = result.status is CommandStatus.DONE
    text = " ".join(part for part in (result.status.value, result.code, result.text) if part)
    return Reply(document, (text,), ExitCode.OK if done else ExitCode.NO)


def _order_reply(result: CommandResult, order_id: str, happened: list[Message]) -> Reply:
    reports = [_happened(message) for message in happened]
    reply = _reply(result, {"client_order_id": order_id, "reports": reports})
    refused = any(report["event"] == "NOT_SENT" or report["order_status"] == "REJECTED" for report in reports)
    lines = tuple(f"  {_line(report)}" for report in reports)
    return Reply(reply.document, (*reply.parts, *lines), ExitCode.NO if refused else reply.code)


def _happened(message: Message) -> dict[str, str]:
    if isinstance(message, NotSent):
        return {"event": "NOT_SENT", "order_status": "", "reason": f"{message.reason.value} {message.detail}".rstrip()}
    if isinstance(message, ExecReport):
        return {
            "event": message.exec_type.value,
            "order_status": message.order_status.value,
            "last_quantity": format(message.last_quantity, "f"),
            "last_price": format(message.last_price, "f"),
            "reason": message.reason,
        }
    return {"event": type(message).__name__.upper(), "order_status": "", "reason": ""}


def _line(report: Mapping[str, str]) -> str:
    return " ".join(value for value in report.values() if value and value != "0")


async def _follow(operator: Operator, account: str, order_id: str, result: CommandResult) -> list[Message]:
    """What the journal says about the order, until it is over or the time is."""
    found: list[Message] = []
    subject = subjects.exec_events(account)
    try:
        async with asyncio.timeout(FOLLOW_S):
            async for batch in operator.bus.read("OMS", (subject,), after=max(0, result.oms_sequence - 1)):
                for record in batch:
                    try:
                        message = codec.decode_known(record.subject, record.schema, record.data)
                    except DecodeError:
                        continue
                    if getattr(message, "client_order_id", "") != order_id:
                        continue
                    found.append(message)
                    if isinstance(message, NotSent) or (
                        isinstance(message, ExecReport) and message.order_status.is_terminal
                    ):
                        return found
    except TimeoutError:
        return found
    return found
