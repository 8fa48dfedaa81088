"""Putting a venue together from its parts, fresh or from its log."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from pitwire.venue_sim.core.captured import Capture, CaptureDriver
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.ledger import Account
from pitwire.venue_sim.core.live import LiveDriver, LiveMarket
from pitwire.venue_sim.core.market import BarSource, Driver, MarketDriver
from pitwire.venue_sim.core.records import account_record, start_record
from pitwire.venue_sim.core.restore import Restorer
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.core.units import ZERO
from pitwire.venue_sim.ports import EventLog

MarketSource = BarSource | Capture | LiveMarket


class MismatchError(Exception):
    """The data folder belongs to another market; the text says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a new venue begins with. Accounts that the log already knows keep what the log says."""

    accounts: list[str]
    balances: dict[str, Decimal]
    default_quote: Decimal
    fees: Fees
    orders_max: int
    fees_of: dict[str, Fees] = field(default_factory=dict[str, Fees])


def assemble(
    source: MarketSource, opening: Opening, *, log: EventLog, records: Iterable[dict[str, Any]], position_ms: int
) -> tuple[Exchange, Driver]:
    """The exchange and its market, as the log left them or new; accounts that are missing are opened.

    Raises:
        MismatchError: the log is of another market.
        RecordError: the log contradicts itself.
    """
    rules = [replace(rule, orders_max=opening.orders_max) for rule in source.rules]
    exchange = Exchange(rules, opening.fees, opening.fees_of)
    restorer = Restorer(exchange)
    known = False
    for record in records:
        if record["r"] == "start":
            known = True
            _check_market(record, source)
        restorer.apply(record)
    driver = drive(source, exchange)
    driver.restore(max(restorer.market_ms, position_ms))
    restorer.finish()
    restorer.take_again(driver.market_ms)
    # Update ids grow with every instant and operation, so a restarted venue never reuses one.
    exchange.revision = 1 + restorer.operations + driver.instants
    if not known:
        log.append([start_record(exchange, identity=source.identity)])
    for account_id in opening.accounts:
        if account_id not in exchange.accounts:
            account = Account(account_id, _opening_balances(exchange, opening))
            exchange.accounts[account_id] = account
            log.append([account_record(account)])
    return exchange, driver


def drive(source: MarketSource, exchange: Exchange) -> Driver:
    """The market of a source, ready to be played on the exchange."""
    if isinstance(source, Capture):
        return CaptureDriver(source, exchange)
    return LiveDriver(source, exchange) if isinstance(source, LiveMarket) else MarketDriver(source, exchange)


def _check_market(record: dict[str, Any], source: MarketSource) -> None:
    if record["market"] != source.identity:
        raise MismatchError(
            f"the data folder is of the market '{record['market']}', not of '{source.identity}'; "
            "start with the same market, seed and history, or give another --data-dir"
        )


def _opening_balances(exchange: Exchange, opening: Opening) -> dict[str, Decimal]:
    assets = dict.fromkeys(
        asset for listing in exchange.listings.values() for asset in (listing.rules.base, listing.rules.quote)
    )
    quotes = {listing.rules.quote for listing in exchange.listings.values()}
    if opening.balances:
        return dict.fromkeys(assets, ZERO) | opening.balances
    return {asset: opening.default_quote if asset in quotes else ZERO for asset in assets}
