"""One connection to the market data streams: SUBSCRIBE and its kin (Binance, WebSocket streams)."""

from collections.abc import Callable

import orjson

from pitwire.venue_sim.handlers.feeds import Feeds, Subscriber
from pitwire.venue_sim.ports import Outbox

STREAMS_MAX = 1024
MESSAGES_PER_S_MAX = 5
"""Messages of one client in one second; one more and it is cut off."""
SECOND_MS = 1000


class StreamSession:
    """Serves one market data connection."""

    def __init__(
        self, feeds: Feeds, outbox: Outbox, *, streams: list[str], combined: bool, wall_ms: Callable[[], int]
    ) -> None:
        self._feeds = feeds
        self._wall_ms = wall_ms
        self._messages = (0, 0)
        self._outbox = outbox
        self._subscriber = Subscriber(outbox, combined)
        for stream in streams[:STREAMS_MAX]:
            feeds.subscribe(self._subscriber, stream)

    def on_text(self, message: str) -> None:
        """Handle one request."""
        if self._is_flooding():
            self._outbox.cut("more than 5 messages a second")
            return
        try:
            request = orjson.loads(message)
        except orjson.JSONDecodeError:
            self._fail(3, "Invalid JSON: expected value", None)
            return
        if not isinstance(request, dict):
            self._fail(2, "Invalid request: request must be an object", None)
            return
        self._handle(request.get("method"), request.get("params"), request.get("id"))

    def _is_flooding(self) -> bool:
        second, count = self._wall_ms() // SECOND_MS, self._messages[1]
        self._messages = (second, count + 1 if second == self._messages[0] else 1)
        return self._messages[1] > MESSAGES_PER_S_MAX

    def _handle(self, method: object, params: object, request_id: object) -> None:
        if method == "LIST_SUBSCRIPTIONS":
            self._reply(list(self._subscriber.streams), request_id)
        elif method in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            names = [name for name in params if isinstance(name, str)] if isinstance(params, list) else []
            if not isinstance(params, list) or len(names) != len(params) or not names:
                self._fail(2, "Invalid request: params must be a list of stream names", request_id)
            elif method == "SUBSCRIBE":
                self._subscribe(names, request_id)
            else:
                for name in names:
                    self._feeds.unsubscribe(self._subscriber, name)
                self._reply(None, request_id)
        elif method in {"SET_PROPERTY", "GET_PROPERTY"}:
            self._property(str(method), params, request_id)
        else:
            self._fail(2, f"Invalid request: unknown method {method!r}", request_id)

    def _subscribe(self, names: list[str], request_id: object) -> None:
        if len(self._subscriber.streams.keys() | set(names)) > STREAMS_MAX:
            self._fail(2, f"Invalid request: more than {STREAMS_MAX} streams", request_id)
            return
        self._reply(None, request_id)
        for name in names:
            self._feeds.subscribe(self._subscriber, name)

    def _property(self, method: str, params: object, request_id: object) -> None:
        if not isinstance(params, list) or not params or params[0] != "combined":
            self._fail(0, "Unknown property", request_id)
        elif method == "GET_PROPERTY":
            self._reply(self._subscriber.combined, request_id)
        elif len(params) == 2 and isinstance(params[1], bool):
            self._subscriber.combined = params[1]
            self._reply(None, request_id)
        else:
            self._fail(1, "Invalid value type: expected Boolean", request_id)

    def on_close(self) -> None:
        """The client is gone."""
        self._feeds.drop(self._subscriber)

    def _reply(self, result: object, request_id: object) -> None:
        self._outbox.send(orjson.dumps({"result": result, "id": request_id}))

    def _fail(self, code: int, msg: str, request_id: object) -> None:
        self._outbox.send(orjson.dumps({"error": {"code": code, "msg": msg}, "id": request_id}))
