"""What the venue's handlers need from the world, and what the world's adapters are given."""

from typing import Any, NamedTuple, Protocol

from pitwire.venue_sim.core.market import Move


class EventLog(Protocol):
    """The append-only log. A batch is with the operating system before any client hears of it."""

    def append(self, records: list[dict[str, Any]]) -> None:
        """Write one operation as a batch of lines."""
        ...

    def save_position(self, market_ms: int) -> None:
        """Note that the market has been played up to this time, inclusive."""
        ...


class Publisher(Protocol):
    """Tells connected clients; never blocks, never fails."""

    def market_moved(self, moves: list[Move]) -> None:
        """One instant of the market, after its effects were logged."""
        ...

    def book_changed(self, symbol: str) -> None:
        """A client's order changed what the book shows."""
        ...

    def hears(self, account_id: str) -> bool:
        """Does anybody listen to the account's user data events?"""
        ...

    def account_changed(self, account_id: str, events: list[dict[str, object]]) -> None:
        """User data events of one account, in order."""
        ...


class MarketTime(Protocol):
    """The market's clock."""

    def market_ms(self) -> int:
        """Market time now, in milliseconds; it never goes back."""
        ...


class Outbox(Protocol):
    """The sending side of one client's WebSocket; hashable by identity."""

    def send(self, frame: bytes) -> None:
        """Queue one text frame; a client too slow for its bounded queue is cut off."""
        ...

    def cut(self, reason: str) -> None:
        """End the connection: the client does what a client may not do."""
        ...

    def send_later(self, frame: bytes, delay_ms: int) -> None:
        """Queue one text frame after a while."""
        ...


class PacedMarket(Protocol):
    """A market that can be played instant by instant."""

    def next_ms(self) -> int | None:
        """Market time of the next instant, None after the last."""
        ...

    def last_ms(self) -> int:
        """Market time of the last instant played."""
        ...

    def advance(self) -> None:
        """Play the next instant."""
        ...


class RestRequest(NamedTuple):
    """One HTTP request as it came: `query` and `body` are exactly what was sent, for the signature."""

    method: str
    path: str
    query: str
    body: str
    api_key: str | None
    address: str


class RestAnswer(NamedTuple):
    """What goes back; a lost answer never does."""

    status: int
    body: bytes
    headers: dict[str, str]
    delay_ms: int = 0
    is_lost: bool = False


class RestApi(Protocol):
    """The REST side of the venue."""

    def answer(self, request: RestRequest) -> RestAnswer:
        """Answer one request; refusals are answers."""
        ...


class WsSession(Protocol):
    """One client's conversation over a WebSocket: messages in, frames out through its outbox."""

    def on_text(self, message: str) -> None:
        """Handle one message."""
        ...

    def on_close(self) -> None:
        """The client is gone."""
        ...
