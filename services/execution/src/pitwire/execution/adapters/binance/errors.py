"""What Binance's refusals mean (Spot API documentation, errors): one class for each code, and for any other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class ErrorClass(StrEnum):
    """What to do about a refusal."""

    RATE_LIMITED = "RATE_LIMITED"
    TOO_MANY_ORDERS = "TOO_MANY_ORDERS"
    BANNED = "BANNED"
    UNAUTHORIZED = "UNAUTHORIZED"
    CLOCK_SKEW = "CLOCK_SKEW"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    INVALID_ORDER = "INVALID_ORDER"
    DUPLICATE_CLIENT_ID = "DUPLICATE_CLIENT_ID"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    MARKET_CLOSED = "MARKET_CLOSED"
    UNSUPPORTED = "UNSUPPORTED"
    BAD_REQUEST = "BAD_REQUEST"
    STREAM = "STREAM"
    VENUE_UNAVAILABLE = "VENUE_UNAVAILABLE"
    UNKNOWN_STATE = "UNKNOWN_STATE"
    REJECTED = "REJECTED"

    @property
    def leaves_order_in_doubt(self) -> bool:
        """The order may have been taken although this came back."""
        return self in _DOUBTFUL


_DOUBTFUL = frozenset({ErrorClass.UNKNOWN_STATE, ErrorClass.VENUE_UNAVAILABLE, ErrorClass.DUPLICATE_CLIENT_ID})

_CODES: Final = """
UNKNOWN_STATE      -1000 -1001 -1006 -1007
VENUE_UNAVAILABLE  -1008 -1016 -1034 -1035
RATE_LIMITED       -1003 -1181 -1191
TOO_MANY_ORDERS    -1015
UNAUTHORIZED       -1002 -1022 -2014 -2015 -1033 -1184 -1185
CLOCK_SKEW         -1021
INVALID_ORDER      -1013 -1014 -1111 -1114 -1115 -1116 -1117 -1128 -1134 -1158 -1160 -1165 -1166 -1168 -1182
INVALID_ORDER      -1196 -1197 -1198 -1199 -1210 -1211 -1222 -1223 -1224 -1225
INVALID_ORDER      -2021 -2022 -2038
ORDER_NOT_FOUND    -2011 -2013 -2026 -2039
MARKET_CLOSED      -1112 -1220 -2016 -2043
UNSUPPORTED        -1020 -1139 -1145 -1155 -1183 -1186 -1187
BAD_REQUEST        -1100 -1101 -1102 -1103 -1104 -1105 -1106 -1108 -1118 -1119 -1120 -1121 -1122 -1127 -1130 -1131
BAD_REQUEST        -1135 -1151 -1152 -1153 -1161 -1169 -1170 -1171 -1172 -1173 -1174 -1175 -1176 -1177 -1178 -1179
BAD_REQUEST        -1180 -1188 -1189 -1190 -1194 -1221
STREAM             -1125 -2035 -2036 -2042
REJECTED           -1010 -2010
"""
CLASS_OF_CODE: Final = {
    int(code): ErrorClass(name)
    for name, *codes in (line.split() for line in _CODES.strip().splitlines())
    for code in codes
}

CLASS_OF_TEXT: Final = (
    ("insufficient balance", ErrorClass.INSUFFICIENT_FUNDS),
    ("duplicate order", ErrorClass.DUPLICATE_CLIENT_ID),
    ("market is closed", ErrorClass.MARKET_CLOSED),
    ("unknown order sent", ErrorClass.ORDER_NOT_FOUND),
    ("not supported", ErrorClass.UNSUPPORTED),
    ("not support for", ErrorClass.UNSUPPORTED),
    ("not enabled", ErrorClass.UNSUPPORTED),
    ("disabled on this account", ErrorClass.UNAUTHORIZED),
    ("may not place or cancel", ErrorClass.UNAUTHORIZED),
    ("not permitted for this account", ErrorClass.UNAUTHORIZED),
    ("restricted for this account", ErrorClass.UNAUTHORIZED),
)
"""How the matching engine says what its codes -1010, -2010 and -2011 do not."""

_ENGINE_CODES: Final = frozenset({-1010, -2010})
CLASS_OF_STATUS: Final = {
    401: ErrorClass.UNAUTHORIZED,
    403: ErrorClass.UNAUTHORIZED,
    409: ErrorClass.UNKNOWN_STATE,
    429: ErrorClass.RATE_LIMITED,
}
TEXT_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer that is not a success."""

    status: int
    code: int
    text: str
    kind: ErrorClass
    retry_at_ms: int = 0
    """Venue time before which nothing may be asked; 0 = not said in the answer itself."""

    @property
    def summary(self) -> str:
        return f"{self.kind} {self.code} {self.text}"


def classify(status: int, code: int, text: str) -> ErrorClass:
    """An HTTP status of 5xx never says what became of a request; an unlisted code is judged by its status."""
    if status == 418:
        return ErrorClass.BANNED
    if status >= 500:
        return ErrorClass.UNKNOWN_STATE
    if code in _ENGINE_CODES:
        lower = text.lower()
        return next((kind for part, kind in CLASS_OF_TEXT if part in lower), ErrorClass.REJECTED)
    return CLASS_OF_CODE.get(code) or _class_of_status(status)


def _class_of_status(status: int) -> ErrorClass:
    if status in CLASS_OF_STATUS:
        return CLASS_OF_STATUS[status]
    return ErrorClass.REJECTED if 400 <= status < 500 else ErrorClass.UNKNOWN_STATE


def refusal_of(status: int, error: Any) -> Refusal:
    """The refusal in an answer's body; a body that is none is judged by the status alone."""
    code, text, retry_at_ms = 0, "", 0
    if isinstance(error, dict):
        raw_code, raw_text, data = error.get("code"), error.get("msg"), error.get("data")
        code = raw_code if isinstance(raw_code, int) else 0
        text = raw_text if isinstance(raw_text, str) else ""
        if isinstance(data, dict) and isinstance(data.get("retryAfter"), int):
            retry_at_ms = data["retryAfter"]
    return Refusal(status, code, text[:TEXT_MAX], classify(status, code, text), retry_at_ms)
