"""The clock of a live market, which nobody here sets the pace of."""

from collections.abc import Callable

from pitwire.venue_sim.adapters.live_feed import LiveFeed
from pitwire.venue_sim.core.live import LiveDriver


class LivePace:
    """Market time as the live venue has it; its frames come when they come."""

    speed = 1.0
    ended = False
    hold_ms = None

    def __init__(self, driver: LiveDriver, feed: LiveFeed, wall_ms: Callable[[], int]) -> None:
        self._driver = driver
        self._feed = feed
        self._wall_ms = wall_ms

    def market_ms(self) -> int:
        """Market time now; it never falls."""
        return self._driver.time_ms(self._wall_ms())

    def speed_reached(self) -> float:
        """A second a second."""
        return self.speed

    def hold(self, until_ms: int | None) -> None:
        """Refuse to hold it.

        Raises:
            ValueError: unless it is only to run on.
        """
        if until_ms is not None:
            raise ValueError("a live market cannot be held")

    async def run(self) -> None:
        """Follow the market for ever."""
        await self._feed.run()
