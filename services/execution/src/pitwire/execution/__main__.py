"""Execution: sends approved orders to venues and reports what became of them. `halt` stops it from beside."""

from __future__ import annotations

import sys

from pitwire.common import subjects
from pitwire.common.clock import Clock, random_token
from pitwire.common.config import VenueConfig
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.leases import LeaseHolder
from pitwire.common.service import Service, run
from pitwire.execution.adapters.binance.adapter import BinanceVenue
from pitwire.execution.adapters.binance.limits import address_limits
from pitwire.execution.adapters.ccxt.venue import CcxtVenue
from pitwire.execution.adapters.halt_command import halt_command
from pitwire.execution.adapters.keys import ApiKey, load_key
from pitwire.execution.adapters.latch import LatchFiles
from pitwire.execution.config import Config
from pitwire.execution.core.rate_limits import RateLimits
from pitwire.execution.handlers.runtime import Runtime
from pitwire.execution.ports import Venue


def random_fraction() -> float:
    """In [0, 1)."""
    return int(random_token(4), 16) / 2**32


def make_venue(
    name: str,
    config: VenueConfig,
    key: ApiKey,
    instruments: InstrumentRegistry,
    clock: Clock,
    address: RateLimits,
) -> Venue:
    """The adapter that speaks the venue's API; ccxt is loaded only where a venue wants it."""
    if config.kind == "ccxt":
        return CcxtVenue(name, config, key, instruments, clock, random_fraction)
    return BinanceVenue(name, config, key, instruments, clock, random_fraction, address)


async def main() -> int:
    """Serves every configured account until told to stop."""
    config = Config.from_env()
    pitwire = config.pitwire
    keys = {
        name: load_key(account.key_file, where=f"venue_accounts.{name}.key_file")
        for name, account in pitwire.venue_accounts.items()
    }
    async with Service("execution", config.service, config_hash=pitwire.config_hash) as service:
        written = [subjects.halt("execution"), *(subjects.exec_events(account) for account in pitwire.accounts)]
        await service.must_be_allowed(*written)
        instruments = InstrumentRegistry()
        addresses = {name: address_limits(venue.rate_share_percent) for name, venue in pitwire.venues.items()}
        accounts = {
            account: {
                name: (
                    venue,
                    make_venue(venue, pitwire.venues[venue], keys[name], instruments, service.clock, addresses[venue]),
                )
                for name, venue in config.venue_accounts_of(account).items()
            }
            for account in pitwire.accounts
        }
        runtime = Runtime(
            service,
            accounts,
            instruments,
            LatchFiles(config.service.data_dir),
            leader=f"{config.service.slot}.{service.instance}",
            fraction=random_fraction,
        )

        async def acquire() -> None:
            await lead(service)
            service.on_stop(runtime.quiesce)

        async def begin() -> None:
            await runtime.start(acquire)

        try:
            service.spawn("start", begin())
            return await service.run()
        finally:
            await runtime.close()


async def lead(service: Service) -> None:
    """Waits as a warm standby until this process leads its slot."""
    if service.settings.leases:
        lease = LeaseHolder(
            service.bus, service.clock, service=service.name, slot=service.settings.slot, holder=service.instance
        )
        await lease.acquire()
        service.spawn("lease", lease.keep())
        service.on_stop(lease.release)
    service.set_leader(True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["halt"]:
        sys.exit(halt_command(sys.argv[2:]))
    run(main)
