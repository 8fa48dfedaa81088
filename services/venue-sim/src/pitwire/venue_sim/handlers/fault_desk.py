"""The control port's wishes for faults: each is either armed for later or carried out at once."""

from collections.abc import Callable

from pitwire.venue_sim.handlers.faults import MS_MAX, FaultError, number
from pitwire.venue_sim.handlers.venue import Venue


class FaultDesk:
    """Grants wishes: connections and freezing are the world's business, the rest is the venue's."""

    def __init__(self, venue: Venue, *, drop: Callable[[str, str], int], freeze: Callable[[float], None]) -> None:
        self._venue = venue
        self._drop = drop
        self._freeze = freeze

    def grant(self, wish: dict[str, object]) -> str | None:
        """Grant one wish; the text of what is wrong with it, or None."""
        try:
            self._grant(wish)
        except (FaultError, ValueError) as problem:
            return str(problem)
        return None

    def _grant(self, wish: dict[str, object]) -> None:
        kind, venue = wish.get("kind"), self._venue
        if kind == "drop":
            self._drop(str(wish.get("mode", "hard")), str(wish.get("who", "all")))
        elif kind == "freeze":
            self._freeze(number(wish, "ms", largest=MS_MAX) / 1000)
        elif kind == "limit":
            status = number(wish, "status", smallest=418, largest=429)
            until_ms = venue.wall_ms() + 1000 * number(wish, "seconds", largest=MS_MAX // 1000)
            venue.limiter.refuse_all(status=status, until_ms=until_ms)
        elif kind == "wipe":
            venue.wipe()
        else:
            venue.faults.arm(wish)
