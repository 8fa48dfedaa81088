"""The venue's figures as Prometheus reads them."""

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from pitwire.venue_sim.handlers.venue import Venue


def exposition(venue: Venue, *, frames: int, connections: int, status: dict[str, object]) -> bytes:
    """The metrics page at this moment."""
    registry = CollectorRegistry()
    counters = venue.counters
    stale = sum(listing.is_stale for listing in venue.exchange.listings.values())
    figures = {
        "venue_orders_accepted": ("Orders accepted since the start.", counters.accepted),
        "venue_requests_rejected": ("Trading requests refused since the start.", counters.rejected),
        "venue_user_trades": ("Executions of users' orders since the start.", counters.trades),
        "venue_cancels": ("Orders canceled since the start.", counters.cancels),
        "venue_frames_sent": ("Stream frames handed to connections since the start.", frames),
        "venue_connections": ("Open WebSocket connections.", connections),
        "venue_symbols_stale": (
            "Symbols whose book is not known, so that they take no orders.",
            stale,
        ),
        "venue_market_time_ms": ("Market time in milliseconds.", status["market_ms"]),
        "venue_market_bars": ("Bars played since the recording's start.", status["bars"]),
        "venue_speed": ("Market seconds per wall second asked for.", status["speed"]),
        "venue_speed_reached": ("Market seconds per wall second reached.", status["speed_reached"]),
    }
    for name, (text, value) in figures.items():
        Gauge(name, text, registry=registry).set(float(str(value)))
    return generate_latest(registry)
