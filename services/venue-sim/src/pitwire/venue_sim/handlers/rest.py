"""The REST transport without its sockets: routes, form parameters wherever they stand, signatures, headers."""

from urllib.parse import unquote_plus

import orjson

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.handlers import operations
from pitwire.venue_sim.handlers.faults import AnswerFault, PlannedAnswer
from pitwire.venue_sim.handlers.operations import OPERATIONS, Keyed, Signed
from pitwire.venue_sim.handlers.params import missing
from pitwire.venue_sim.handlers.security import check_signature, check_time
from pitwire.venue_sim.handlers.venue import Venue
from pitwire.venue_sim.ports import RestAnswer, RestRequest

ROUTES: dict[tuple[str, str], str] = {
    ("GET", "/api/v3/ping"): "ping",
    ("GET", "/api/v3/time"): "time",
    ("GET", "/api/v3/exchangeInfo"): "exchangeInfo",
    ("GET", "/api/v3/executionRules"): "executionRules",
    ("GET", "/api/v3/referencePrice"): "referencePrice",
    ("GET", "/api/v3/referencePrice/calculation"): "referencePrice.calculation",
    ("GET", "/api/v3/depth"): "depth",
    ("GET", "/api/v3/trades"): "trades.recent",
    ("GET", "/api/v3/aggTrades"): "trades.aggregate",
    ("GET", "/api/v3/klines"): "klines",
    ("GET", "/api/v3/historicalTrades"): "trades.historical",
    ("GET", "/api/v3/uiKlines"): "uiKlines",
    ("GET", "/api/v3/avgPrice"): "avgPrice",
    ("GET", "/api/v3/ticker/24hr"): "ticker.24hr",
    ("GET", "/api/v3/ticker"): "ticker",
    ("GET", "/api/v3/ticker/tradingDay"): "ticker.tradingDay",
    ("GET", "/api/v3/ticker/price"): "ticker.price",
    ("GET", "/api/v3/ticker/bookTicker"): "ticker.book",
    ("POST", "/api/v3/order"): "order.place",
    ("GET", "/api/v3/order"): "order.status",
    ("DELETE", "/api/v3/order"): "order.cancel",
    ("POST", "/api/v3/order/test"): "order.test",
    ("GET", "/api/v3/openOrders"): "openOrders.status",
    ("DELETE", "/api/v3/openOrders"): "openOrders.cancelAll",
    ("GET", "/api/v3/allOrders"): "allOrders",
    ("POST", "/api/v3/order/cancelReplace"): "order.cancelReplace",
    ("PUT", "/api/v3/order/amend/keepPriority"): "order.amend.keepPriority",
    ("POST", "/api/v3/orderList/oco"): "orderList.place.oco",
    ("POST", "/api/v3/orderList/oto"): "orderList.place.oto",
    ("POST", "/api/v3/orderList/otoco"): "orderList.place.otoco",
    ("POST", "/api/v3/order/oco"): "orderList.place",
    ("DELETE", "/api/v3/orderList"): "orderList.cancel",
    ("GET", "/api/v3/orderList"): "orderList.status",
    ("GET", "/api/v3/openOrderList"): "openOrderLists.status",
    ("GET", "/api/v3/allOrderList"): "allOrderLists",
    ("GET", "/api/v3/myPreventedMatches"): "myPreventedMatches",
    ("GET", "/api/v3/myTrades"): "myTrades",
    ("GET", "/api/v3/account"): "account.status",
    ("GET", "/api/v3/account/commission"): "account.commission",
    ("GET", "/api/v3/rateLimit/order"): "account.rateLimits.orders",
    ("GET", "/api/v3/order/amendments"): "order.amendments",
    ("GET", "/api/v3/myAllocations"): "myAllocations",
    ("GET", "/api/v3/myFilters"): "myFilters",
    ("POST", "/api/v3/userDataStream"): "userDataStream.start",
    ("PUT", "/api/v3/userDataStream"): "userDataStream.ping",
    ("DELETE", "/api/v3/userDataStream"): "userDataStream.stop",
    ("GET", "/sapi/v1/asset/tradeFee"): "asset.tradeFee",
    ("GET", "/sapi/v1/capital/config/getall"): "wallet.nothing",
    ("GET", "/sapi/v1/margin/allPairs"): "wallet.nothing",
    ("GET", "/sapi/v1/margin/isolated/allPairs"): "wallet.nothing",
}
PATHS = frozenset(path for _, path in ROUTES)


class Rest:
    """Answers REST requests."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def answer(self, request: RestRequest) -> RestAnswer:
        """Answer one request; refusals are answers."""
        headers: dict[str, str] = {}
        planned: PlannedAnswer | None = None
        try:
            operations.check_open(self._venue)
            name = _route(request)
            values = read_form(request.query, request.body)
            account_id = ""
            operation = OPERATIONS[name]
            if isinstance(operation, Signed):
                account_id = self._authenticate(request, values)
            elif isinstance(operation, Keyed):
                account_id = self._venue.keyring.find(request.api_key).account_id
            planned = operations.planned_answer(self._venue, name)
            operations.before(planned)
            result = operations.run(self._venue, name, values, account_id=account_id, address=request.address)
            operations.spoil(planned)
            status, body = 200, orjson.dumps(result)
            if name in operations.COUNTED:
                ten_seconds, day = self._venue.limiter.order_counts(account_id, now_ms=self._venue.wall_ms())
                headers |= {"X-MBX-ORDER-COUNT-10S": str(ten_seconds), "X-MBX-ORDER-COUNT-1D": str(day)}
        except VenueError as error:
            status, body = error.status, orjson.dumps(error_body(error))
            if error.data and (until := error.data.get("retryAfter")) is not None:
                left_ms = int(str(until)) - self._venue.wall_ms()
                headers["Retry-After"] = str(max(1, -(-left_ms // 1000)))
        used = self._venue.limiter.used_weight(request.address, now_ms=self._venue.wall_ms())
        headers["X-MBX-USED-WEIGHT"] = headers["X-MBX-USED-WEIGHT-1M"] = str(used)
        is_lost = planned is not None and planned.fault is AnswerFault.LOSE
        return RestAnswer(status, body, headers, planned.delay_ms if planned else 0, is_lost)

    def _authenticate(self, request: RestRequest, values: dict[str, str]) -> str:
        key = self._venue.keyring.find(request.api_key)
        if "timestamp" not in values:
            raise missing("timestamp")
        signature = values.get("signature")
        if not signature:
            raise missing("signature")
        payload = _unsigned(request.query) + _unsigned(request.body)
        check_signature(key, payload, signature)
        check_time(values["timestamp"], values.get("recvWindow"), now_ms=self._venue.wall_ms())
        return key.account_id


def _route(request: RestRequest) -> str:
    name = ROUTES.get((request.method, request.path))
    if name is not None:
        return name
    if request.path in PATHS:
        raise VenueError(-1020, f"Request method '{request.method}' is not supported.", status=405)
    raise VenueError(-1020, f"No such path: {request.path}", status=404)


def error_body(error: VenueError) -> dict[str, object]:
    """The JSON of a refusal."""
    body: dict[str, object] = {"code": error.code, "msg": error.msg}
    if error.data is not None:
        body["data"] = error.data
    return body


def read_form(query: str, body: str) -> dict[str, str]:
    """Parameters of query and body together, form-encoded in both whatever the content type says.

    Raises:
        VenueError: -1101 when a parameter comes twice.
    """
    values: dict[str, str] = {}
    for part in (query, body):
        for pair in part.split("&") if part else ():
            name, _, value = pair.partition("=")
            name = unquote_plus(name)
            if not name:
                continue
            if name in values:
                raise VenueError(-1101, "Duplicate values for a parameter detected.")
            values[name] = unquote_plus(value)
    return values


def _unsigned(part: str) -> str:
    """What was signed of a query or body: all of it as it came, without the signature."""
    if "signature=" not in part:
        return part
    return "&".join(pair for pair in part.split("&") if not pair.startswith("signature="))
