"""`pitwire halt` and `pitwire resume`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pitwire.cli.discovery import find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.operator import Operator
from pitwire.cli.output import Column, Reply, Table
from pitwire.common.clock import SystemClock
from pitwire.common.config import PitwireConfig, load_config
from pitwire.common.enums import CancelPolicy, CommandStatus, CommandVerb, HaltScope, TradingState
from pitwire.common.errors import UsageError
from pitwire.common.schemas.control import CommandResult
from pitwire.common.schemas.ledger import Halt


def halt_trading(data_dir: Path, *, targets: Mapping[str, str], reducing: bool, cancel: str, reason: str) -> Reply:
    """Adds the halt and shows execution's acknowledgement."""
    running = find_running(data_dir)
    config = load_config(running.config)
    scope, target = scope_of(targets, config)
    policy = _policy(cancel)
    state = TradingState.REDUCING if reducing else TradingState.HALTED

    async def ask() -> Reply:
        async with await Operator.connect(running, SystemClock()) as operator:
            answer = await operator.halt(scope, target, state=state, cancel=policy, reason=reason)
        document = {
            "halt_id": answer.halt.halt_id,
            "scope": scope.value,
            "target": target,
            "state": state.value,
            "cancel": policy.value,
            "oms_sequence": answer.oms_sequence,
            "acknowledged_by": answer.seen.service,
            "cancels_requested": answer.seen.cancels_requested,
            "elapsed_ms": round(answer.elapsed_ms, 3),
        }
        text = (
            f"{state.value}: {describe(scope, target)}; execution saw it after {answer.elapsed_ms:.1f} ms and asked to "
            f"cancel {answer.seen.cancels_requested} working orders. Undo: pitwire resume {answer.halt.halt_id}"
        )
        return Reply(document, (text,))

    return asyncio.run(ask())


def resume_trading(data_dir: Path, *, halt_ids: tuple[str, ...], targets: Mapping[str, str], reason: str) -> Reply:
    """Clears the halts that are named or in the scope, by a command to the gate."""
    running = find_running(data_dir)
    config = load_config(running.config)
    scope, target = scope_of(targets, config)

    async def ask() -> Reply:
        async with await Operator.connect(running, SystemClock()) as operator:
            active = await operator.active_halts()
            chosen = choose(active, halt_ids, scope, target)
            if not chosen:
                return Reply({"cleared": [], "status": "DONE"}, ("no halt to clear: trading is not halted here",))
            result = await operator.command(
                CommandVerb.RESUME,
                {"halts": ",".join(halt.halt_id for halt in chosen)},
                account=next(iter(config.accounts)),
                reason=reason,
            )
        return _resumed(result, chosen, left=tuple(halt for halt in active if halt not in chosen))

    return asyncio.run(ask())


def scope_of(targets: Mapping[str, str], config: PitwireConfig) -> tuple[HaltScope, str]:
    """What the options mean; nothing given is everything. `UsageError` for two scopes or a name that is not there."""
    given = {HaltScope(scope): target for scope, target in targets.items() if target}
    if not given:
        return HaltScope.ALL, ""
    if len(given) > 1:
        raise UsageError(f"give one scope, not {' and '.join(scope.value.lower() for scope in given)}")
    scope, target = next(iter(given.items()))
    if scope is HaltScope.STRATEGY and "/" not in target:
        owner = config.strategies[target].account if target in config.strategies else next(iter(config.accounts))
        target = f"{owner}/{target}"
    known = {
        HaltScope.ACCOUNT: set(config.accounts),
        HaltScope.VENUE: set(config.venues),
        HaltScope.INSTRUMENT: set(config.instruments()),
        HaltScope.STRATEGY: {f"{s.account}/{name}" for name, s in config.strategies.items()}
        | {f"{account}/manual" for account in config.accounts},
    }[scope]
    if target not in known:
        raise UsageError(f"{scope.value.lower()} {target!r} is not configured; known: {', '.join(sorted(known))}")
    return scope, target


def choose(active: tuple[Halt, ...], halt_ids: tuple[str, ...], scope: HaltScope, target: str) -> tuple[Halt, ...]:
    """The halts to clear. `UsageError` when one that is named is not active."""
    if halt_ids:
        by_id = {halt.halt_id: halt for halt in active}
        missing = [halt_id for halt_id in halt_ids if halt_id not in by_id]
        if missing:
            raise UsageError(f"not active: {', '.join(missing)}; active: {', '.join(by_id) or 'none'}")
        return tuple(by_id[halt_id] for halt_id in halt_ids)
    if scope is HaltScope.ALL:
        return active
    return tuple(halt for halt in active if halt.scope is scope and halt.target == target)


def describe(scope: HaltScope, target: str) -> str:
    """The scope in words."""
    return "everything" if scope is HaltScope.ALL else f"{scope.value.lower()} {target}"


def halts_table(halts: tuple[Halt, ...]) -> Table:
    """Active halts for people."""
    columns = tuple(Column(name) for name in ("halt_id", "scope", "target", "state", "source", "reason"))
    rows = tuple((h.halt_id, h.scope.value, h.target or "-", h.state.value, h.source, h.reason) for h in halts)
    return Table("active halts", columns, rows, "no halt: everything may trade")


def halt_document(halt: Halt) -> dict[str, Any]:
    """One halt for programs."""
    return {
        "halt_id": halt.halt_id,
        "scope": halt.scope.value,
        "target": halt.target,
        "state": halt.state.value,
        "source": halt.source,
        "reason": halt.reason,
    }


def _policy(text: str) -> CancelPolicy:
    try:
        return CancelPolicy(text.upper().replace("-", "_"))
    except ValueError:
        raise UsageError(f"--cancel {text!r}: give non_protective, none or all") from None


def _resumed(result: CommandResult, chosen: tuple[Halt, ...], left: tuple[Halt, ...]) -> Reply:
    done = result.status is CommandStatus.DONE
    document = {
        "command_id": result.command_id,
        "status": result.status.value,
        "code": result.code,
        "text": result.text,
        "cleared": [halt.halt_id for halt in chosen] if done else [],
        "left": [halt_document(halt) for halt in left],
    }
    if not done:
        return Reply(document, (f"{result.status.value} {result.code}: {result.text}",), ExitCode.NO)
    text = f"cleared {len(chosen)}: {', '.join(halt.halt_id for halt in chosen)}"
    return Reply(document, (text, halts_table(left)) if left else (text,))
