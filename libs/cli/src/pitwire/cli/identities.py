"""Connections to the bus of a running system, each as the identity that its work needs and no more."""

from __future__ import annotations

from pitwire.cli.discovery import NotRunning, Running
from pitwire.common.bus.nats import NatsBus


async def connect_as(principal: str, running: Running) -> NatsBus:
    """Of a system of this machine the identity is found; of another one PITWIRE_NATS_SEED_FILE names it.

    Raises:
        NotRunning: no bus is named.
        BusUnavailable: it does not answer, or does not know this identity.
    """
    if not running.nats_url:
        raise NotRunning("no bus is named: set PITWIRE_NATS_URL, or start a system with `pitwire up`")
    seed = running.operator_seed
    if running.run is not None and seed is not None:
        seed = seed.with_name(f"{principal}.nk")
    return await NatsBus.connect(
        running.nats_url,
        principal=principal,
        name=f"pitwire-{principal}",
        seed_file=seed,
        on_trouble=lambda _: None,
        on_closed=lambda: None,
    )
