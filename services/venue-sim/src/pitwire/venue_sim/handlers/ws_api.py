"""One connection to the WebSocket API: requests by method name, signed over their sorted parameters."""

import contextlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import orjson

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.handlers import operations
from pitwire.venue_sim.handlers.faults import AnswerFault, PlannedAnswer
from pitwire.venue_sim.handlers.feeds import Feeds
from pitwire.venue_sim.handlers.operations import OPERATIONS, Keyed, Signed
from pitwire.venue_sim.handlers.params import INTEGER, missing
from pitwire.venue_sim.handlers.security import Key, check_signature, check_time
from pitwire.venue_sim.handlers.venue import Venue
from pitwire.venue_sim.ports import Outbox

LOGON = "session.logon"
STATUS = "session.status"
LOGOUT = "session.logout"
SUBSCRIBE = "userDataStream.subscribe"
SUBSCRIBE_SIGNED = "userDataStream.subscribe.signature"
UNSUBSCRIBE = "userDataStream.unsubscribe"
SUBSCRIPTIONS = "session.subscriptions"
CONNECTION_WEIGHT = 2
DIGITS_MAX = 30
SUBSCRIPTIONS_MAX = 1000
"""User data subscriptions over the life of one connection."""

Texts = dict[str, str]


class WsApiSession:
    """Serves one WebSocket API connection."""

    def __init__(self, venue: Venue, feeds: Feeds, outbox: Outbox, *, address: str) -> None:
        self._venue = venue
        self._feeds = feeds
        self._outbox = outbox
        self._address = address
        self._subscriptions: dict[int, str] = {}
        self._next_subscription = 0
        self._connected_ms = venue.wall_ms()
        self._limits = venue.limiter.limits.describe()
        self._key: Key | None = None
        self._authorized_ms: int | None = None
        self._own: dict[str, Callable[[Texts, Texts], object]] = {
            LOGON: self._log_on,
            STATUS: self._status,
            LOGOUT: self._log_out,
            SUBSCRIBE: self._subscribe_session,
            SUBSCRIBE_SIGNED: self._subscribe_signed,
            UNSUBSCRIBE: self._unsubscribe,
            SUBSCRIPTIONS: self._list_subscriptions,
        }
        with contextlib.suppress(VenueError):
            venue.limiter.use(address, CONNECTION_WEIGHT, now_ms=self._connected_ms)

    def on_text(self, message: str) -> None:
        """Handle one request and answer it."""
        request_id: object = None
        with_limits = True
        account_id = method = ""
        planned: PlannedAnswer | None = None
        try:
            request = _read(message)
            request_id, method = request.get("id"), str(request.get("method"))
            values, texts = _texts(request, message)
            with_limits = values.get("returnRateLimits", "true") != "false"
            operations.check_open(self._venue)
            own = self._own.get(method)
            if own is not None:
                self._venue.limiter.use(self._address, 2, now_ms=self._venue.wall_ms())
                result = own(values, texts)
            else:
                operation = _operation(method)
                if isinstance(operation, Signed):
                    account_id = self._authenticate(values, texts).account_id
                elif isinstance(operation, Keyed):
                    account_id = self._venue.keyring.find(values.get("apiKey")).account_id
                planned = operations.planned_answer(self._venue, method)
                operations.before(planned)
                result = operations.run(self._venue, method, values, account_id=account_id, address=self._address)
                operations.spoil(planned)
            answer: dict[str, object] = {"id": request_id, "status": 200, "result": result}
        except VenueError as error:
            shown: dict[str, object] = {"code": error.code, "msg": error.msg}
            if error.data is not None:
                shown["data"] = error.data
            answer = {"id": request_id, "status": error.status, "error": shown}
        if with_limits:
            answer["rateLimits"] = self._rate_limits(account_id if method in operations.COUNTED else "")
        self._answer(orjson.dumps(answer), planned)

    def _answer(self, frame: bytes, planned: PlannedAnswer | None) -> None:
        if planned is None or planned.fault is AnswerFault.UNKNOWN:
            self._outbox.send(frame)
        elif planned.fault is AnswerFault.DELAY:
            self._outbox.send_later(frame, planned.delay_ms)

    # ------------------------------------------------------------------------------------------------ who is asking
    def _authenticate(self, values: Texts, texts: Texts) -> Key:
        """The key of a request: the one it is signed with, else the one that the session has logged on with."""
        if self._key is not None and "apiKey" not in values and "signature" not in values:
            key = self._venue.keyring.find(self._key.api_key)
        else:
            key = self._venue.keyring.find(values.get("apiKey"))
            signature = values.get("signature")
            if "timestamp" in values and not signature:
                raise missing("signature")
            if signature and "timestamp" in values:
                check_signature(key, _payload(texts), signature)
        check_time(values.get("timestamp"), values.get("recvWindow"), now_ms=self._venue.wall_ms())
        return key

    def _log_on(self, values: Texts, texts: Texts) -> object:
        if not self._venue.keyring.find(values.get("apiKey")).may_log_on:
            raise VenueError(-1020, "This operation is not supported: only Ed25519 keys can log on.")
        self._key = self._authenticate(values, texts)
        self._authorized_ms = int(values["timestamp"])
        return self._status(values, texts)

    def _status(self, _values: Texts, _texts: Texts) -> object:
        return {
            "apiKey": self._key.api_key if self._key is not None else None,
            "authorizedSince": self._authorized_ms,
            "connectedSince": self._connected_ms,
            "returnRateLimits": True,
            "serverTime": self._venue.wall_ms(),
            "userDataStream": bool(self._subscriptions),
        }

    def _log_out(self, values: Texts, texts: Texts) -> object:
        self._key = self._authorized_ms = None
        return self._status(values, texts)

    # ---------------------------------------------------------------------------------------------- user data stream
    def _subscribe_session(self, _values: Texts, _texts: Texts) -> object:
        if self._key is None:
            raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
        return self._subscribe(self._key.account_id)

    def _subscribe_signed(self, values: Texts, texts: Texts) -> object:
        return self._subscribe(self._authenticate(values, texts).account_id)

    def _subscribe(self, account_id: str) -> object:
        if account_id in self._subscriptions.values():
            raise VenueError(-2035, "User Data Stream subscription already active.")
        number = self._next_subscription
        if number >= SUBSCRIPTIONS_MAX:
            raise VenueError(-2042, "Maximum subscription ID reached for this connection.")
        self._next_subscription += 1
        self._subscriptions[number] = account_id
        self._feeds.subscribe_user(account_id, self._outbox, number)
        return {"subscriptionId": number}

    def _list_subscriptions(self, _values: Texts, _texts: Texts) -> object:
        return [{"subscriptionId": number} for number in self._subscriptions]

    def _unsubscribe(self, values: Texts, _texts: Texts) -> object:
        chosen = values.get("subscriptionId")
        if chosen is not None and (not INTEGER.fullmatch(chosen) or int(chosen) not in self._subscriptions):
            raise VenueError(-2036, "User Data Stream subscription not active.")
        for number in [int(chosen)] if chosen is not None else list(self._subscriptions):
            self._feeds.unsubscribe_user(self._subscriptions.pop(number), self._outbox, number)
        return {}

    # ------------------------------------------------------------------------------------------------------- the rest
    def _rate_limits(self, account_id: str) -> list[dict[str, object]]:
        now_ms = self._venue.wall_ms()
        limiter = self._venue.limiter
        rules = self._limits
        weight = {**rules[0], "count": limiter.used_weight(self._address, now_ms=now_ms)}
        if not account_id:
            return [weight]
        ten_seconds, day = limiter.order_counts(account_id, now_ms=now_ms)
        return [{**rules[1], "count": ten_seconds}, {**rules[2], "count": day}, weight]

    def on_close(self) -> None:
        """The client is gone."""
        for number, account_id in self._subscriptions.items():
            self._feeds.unsubscribe_user(account_id, self._outbox, number)
        self._subscriptions.clear()


def _read(message: str) -> dict[str, Any]:
    try:
        request = orjson.loads(message)
    except orjson.JSONDecodeError:
        raise VenueError(-1135, "Invalid JSON Request") from None
    if not isinstance(request, dict):
        raise VenueError(-1135, "Invalid JSON Request")
    return request


def _operation(method: str) -> operations.Operation:
    operation = OPERATIONS.get(method)
    if operation is None:
        raise VenueError(-1020, f"Method '{method}' is not supported.", status=404)
    return operation


def _texts(request: dict[str, Any], message: str) -> tuple[dict[str, str], dict[str, str]]:
    """(values, texts): parameters as plain text, and as the text that was signed.

    A JSON number with a fraction is read again from its own digits: a float would not keep them.
    """
    params = request.get("params") or {}
    if not isinstance(params, dict):
        raise VenueError(-1135, "Invalid JSON Request")
    texts: dict[str, str] = {}
    for name, value in params.items():
        if type(value) is str:
            texts[name] = value
        elif isinstance(value, float):
            return _texts_of_numbers(json.loads(message, parse_float=_Digits)["params"])
        elif value is not None:
            texts[name] = _text(value)
    return texts, texts


def _texts_of_numbers(params: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    texts = {name: _text(value) for name, value in params.items() if value is not None}
    plain = {name: _plain(value) for name, value in params.items() if isinstance(value, _Digits)}
    return texts | plain, texts


class _Digits(str):
    """A JSON number as it was written."""

    __slots__ = ()


def _plain(digits: _Digits) -> str:
    """A JSON number without an exponent, as parameters are; one of absurd size stays as it is, to be refused."""
    value = Decimal(digits)
    return f"{value:f}" if abs(value.adjusted()) <= DIGITS_MAX else digits


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return orjson.dumps(value).decode()


def _payload(texts: dict[str, str]) -> str:
    names = [name for name in sorted(texts) if name != "signature"]
    payload = "&".join([f"{name}={texts[name]}" for name in names])
    if payload.isascii():
        return payload
    pairs = ((name, texts[name]) for name in names)
    return "&".join(f"{name}={value if value.isascii() else quote(value, safe='')}" for name, value in pairs)
