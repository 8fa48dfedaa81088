"""Commands that change something: order, cancel, flatten, halt, resume. Each is stored and answered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitwire.cli.commands.options import AccountOption, DataDirOption, OutputOption, ReasonOption
from pitwire.cli.output import Format, Reply, finish

NO_REASON = "no reason given"
StrategyOption = Annotated[str, typer.Option("--strategy", "-s", help="Only this strategy of the account.")]
InstrumentOption = Annotated[str, typer.Option("--instrument", "-i", help="Only this instrument, BTC-USDT.sim.")]


def order(
    side: Annotated[str, typer.Argument(help="BUY or SELL.")],
    quantity: Annotated[str, typer.Argument(help="In the base currency, as text: 0.01")],
    instrument: Annotated[str, typer.Argument(help="SYMBOL.VENUE, as in BTC-USDT.sim")],
    *,
    order_type: Annotated[str, typer.Option("--type", "-t", help="MARKET or LIMIT.")] = "MARKET",
    price: Annotated[str, typer.Option("--price", "-p", help="Limit price; makes it a LIMIT order.")] = "",
    time_in_force: Annotated[str, typer.Option("--tif", help="GTC, IOC or FOK.")] = "GTC",
    strategy: Annotated[str, typer.Option("--strategy", "-s", help="Sub-ledger it is booked to.")] = "manual",
    account: AccountOption = "main",
    reason: ReasonOption = NO_REASON,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Ask for one order, through the gate like any other.

    Prints the gate's verdict, with code, limit and observed value when it is a denial, and what the venue said within
    the next two seconds. Exit code 1 when the gate denied it or the venue rejected it.
    """

    def work() -> Reply:
        from pitwire.cli.views.operating import place_order

        return place_order(
            data_dir,
            account=account,
            reason=reason,
            args={
                "strategy": strategy,
                "instrument_id": instrument,
                "side": side.upper(),
                "quantity": quantity,
                "order_type": "LIMIT" if price else order_type.upper(),
                "time_in_force": time_in_force.upper(),
                **({"limit_price": price} if price else {}),
            },
        )

    finish(work, output)


def cancel(
    client_order_id: Annotated[
        str, typer.Argument(help="The order; leave it out and give --all for all of them.")
    ] = "",
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every working order of the account.")] = False,
    strategy: StrategyOption = "",
    instrument: InstrumentOption = "",
    account: AccountOption = "main",
    reason: ReasonOption = NO_REASON,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Cancel a working order, or all of them. Cancels always pass, also while halted."""

    def work() -> Reply:
        from pitwire.cli.views.operating import cancel_orders

        return cancel_orders(
            data_dir,
            account=account,
            reason=reason,
            client_order_id=client_order_id,
            everything=everything,
            strategy=strategy,
            instrument=instrument,
        )

    finish(work, output)


def flatten(
    *,
    strategy: StrategyOption = "",
    instrument: InstrumentOption = "",
    account: AccountOption = "main",
    reason: ReasonOption = NO_REASON,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Close positions: working orders in the scope are cancelled, then reducing orders go through the gate.

    Works while the account is reducing. A running strategy may open positions again: halt it first.
    """

    def work() -> Reply:
        from pitwire.cli.views.operating import flatten_positions

        return flatten_positions(data_dir, account=account, reason=reason, strategy=strategy, instrument=instrument)

    finish(work, output)


def pause(
    strategy: Annotated[str, typer.Argument(help="The strategy.")],
    *,
    release: Annotated[bool, typer.Option("--release", help="Let it trade again.")] = False,
    account: AccountOption = "main",
    reason: ReasonOption = NO_REASON,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Let one strategy open nothing any more, or release it; its reductions and cancels still pass."""

    def work() -> Reply:
        from pitwire.cli.views.operating import pause_strategy

        return pause_strategy(data_dir, strategy, account=account, reason=reason, paused=not release)

    finish(work, output)


def capital(
    amount: Annotated[str, typer.Argument(help="How much; below zero it was taken out: -- -100.")],
    asset: Annotated[str, typer.Argument(help="Of what: USDT, BTC.")],
    *,
    venue_account: Annotated[str, typer.Option("--venue-account", help="Where, if the account has several.")] = "",
    account: AccountOption = "main",
    reason: ReasonOption = NO_REASON,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Say that money was put into, or taken out of, an account at its venue; it is neither profit nor loss.

    Moves nothing itself. A transfer between two venue accounts is one out and one in.
    """

    def work() -> Reply:
        from pitwire.cli.views.operating import record_capital

        return record_capital(
            data_dir, amount=amount, asset=asset, venue_account=venue_account, account=account, reason=reason
        )

    finish(work, output)


def reconcile(
    *,
    adopt: Annotated[bool, typer.Option("--adopt", help="Take the venue's balances over as capital.")] = False,
    flatten_it: Annotated[bool, typer.Option("--flatten", help="Close what is held.")] = False,
    ignore: Annotated[bool, typer.Option("--ignore", help="Trade on with this difference.")] = False,
    account: AccountOption = "main",
    reason: ReasonOption = NO_REASON,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Where the venue and the books differ: balances, and orders that work on one side only. Exit code 1 if they do.

    While they differ the account only reduces. Each option is a recorded command to the gate that takes effect once:
    capital put in or taken out and the end of the halt, reducing orders, or the end of the halt alone.
    """

    def work() -> Reply:
        from pitwire.cli.views.reconciling import decision_of, reconcile_running

        decision = decision_of(adopt=adopt, flatten=flatten_it, ignore=ignore)
        return reconcile_running(data_dir, account=account, decision=decision, reason=reason)

    finish(work, output)


def halt(
    *,
    account: Annotated[str, typer.Option("--account", "-a", help="Halt this account.")] = "",
    strategy: Annotated[str, typer.Option("--strategy", "-s", help="Halt this strategy: NAME or ACCOUNT/NAME.")] = "",
    venue: Annotated[str, typer.Option("--venue", help="Halt this venue.")] = "",
    instrument: Annotated[str, typer.Option("--instrument", "-i", help="Halt this instrument.")] = "",
    reducing: Annotated[bool, typer.Option("--reducing", help="Let orders through that lower a position.")] = False,
    cancel_policy: Annotated[
        str, typer.Option("--cancel", help="Working orders to cancel: non_protective, none or all.")
    ] = "non_protective",
    reason: ReasonOption = NO_REASON,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Stop new orders, at once: everything, or one account, strategy, venue or instrument.

    Prints execution's acknowledgement and how long it took: from then on nothing in the scope leaves. Needs the bus
    and execution, not the gate, the database or the venue. Without a bus: `python -m pitwire.execution halt`.
    """

    def work() -> Reply:
        from pitwire.cli.views.halting import halt_trading

        return halt_trading(
            data_dir,
            targets={"ACCOUNT": account, "STRATEGY": strategy, "VENUE": venue, "INSTRUMENT": instrument},
            reducing=reducing,
            cancel=cancel_policy,
            reason=reason,
        )

    finish(work, output)


def resume(
    halt_ids: Annotated[
        list[str] | None, typer.Argument(help="The halts to clear; none named: all in the scope.")
    ] = None,
    *,
    account: Annotated[str, typer.Option("--account", "-a", help="Halts of this account.")] = "",
    strategy: Annotated[str, typer.Option("--strategy", "-s", help="Halts of this strategy.")] = "",
    venue: Annotated[str, typer.Option("--venue", help="Halts of this venue.")] = "",
    instrument: Annotated[str, typer.Option("--instrument", "-i", help="Halts of this instrument.")] = "",
    reason: ReasonOption = NO_REASON,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Clear halts: those named, or all in the scope; with nothing given, every halt there is."""

    def work() -> Reply:
        from pitwire.cli.views.halting import resume_trading

        return resume_trading(
            data_dir,
            halt_ids=tuple(halt_ids or ()),
            targets={"ACCOUNT": account, "STRATEGY": strategy, "VENUE": venue, "INSTRUMENT": instrument},
            reason=reason,
        )

    finish(work, output)
