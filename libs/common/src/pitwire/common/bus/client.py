"""nats-py's client, imported without what it takes along for NATS over WebSocket, which nothing here speaks."""

from __future__ import annotations

from pitwire.common.lean import without

with without("aiohttp", "multidict"):
    from nats import errors
    from nats.aio.client import Client
    from nats.aio.subscription import Subscription
    from nats.protocol.parser import Parser

__all__ = ["Client", "Parser", "Subscription", "errors"]
