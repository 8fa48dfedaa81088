"""What each code means and what to do about it, in words a person at the terminal needs; complete by test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pitwire.common.enums import NotSentReason
from pitwire.common.order_transitions import AnomalyCode
from pitwire.execution.adapters.binance.errors import ErrorClass

NOT_SENT: Final[Mapping[NotSentReason, str]] = {
    NotSentReason.HALTED: "A halt stood before the order on the journal.",
    NotSentReason.REDUCING: "Reducing, and the order is not a verified reduction.",
    NotSentReason.APPROVAL_EXPIRED: "The approval was older than two seconds when the order was about to leave.",
    NotSentReason.PARENT_BUDGET_SPENT: "The children of its parent have used what was approved.",
    NotSentReason.VENUE_UNAVAILABLE: "The venue is not connected.",
    NotSentReason.CLOCK_SKEW: "This machine's clock and the venue's are too far apart to sign a request.",
    NotSentReason.LOST_LEADERSHIP: "Another process leads this account now.",
    NotSentReason.CANCELED_FIRST: "It was cancelled before it left.",
    NotSentReason.GATE_SILENT: "The gate has not been heard for three seconds: nothing new leaves without it.",
    NotSentReason.UNSUPPORTED: "The venue cannot do what was approved.",
    NotSentReason.INVALID_APPROVAL: "The approval does not match its intent; the account is halted and alerted.",
}

VENUE_ERRORS: Final[Mapping[ErrorClass, str]] = {
    ErrorClass.RATE_LIMITED: "Nothing is asked from this address until the time the venue names.",
    ErrorClass.TOO_MANY_ORDERS: "No new order of this account until the time the venue names; cancels go on.",
    ErrorClass.BANNED: "Nothing is asked from this address until the ban is over.",
    ErrorClass.UNAUTHORIZED: "The order is rejected; the key or its rights are wrong, which a person must put right.",
    ErrorClass.CLOCK_SKEW: "The order is rejected; the venue's time is taken anew before anything more is signed.",
    ErrorClass.INSUFFICIENT_FUNDS: "The order is rejected, and the reservation released.",
    ErrorClass.INVALID_ORDER: "The order is rejected: it breaks a rule of the instrument.",
    ErrorClass.DUPLICATE_CLIENT_ID: "In doubt: an order of this id works, so the venue is asked what it is.",
    ErrorClass.ORDER_NOT_FOUND: "There was nothing to cancel or to show; the order is looked up.",
    ErrorClass.MARKET_CLOSED: "The order is rejected; the market takes none now.",
    ErrorClass.UNSUPPORTED: "The order is rejected: the venue does not offer this.",
    ErrorClass.BAD_REQUEST: "The order is rejected; the request was not as the venue wants it, which is a defect here.",
    ErrorClass.STREAM: "The private stream is subscribed to again, and everything asked anew.",
    ErrorClass.VENUE_UNAVAILABLE: "In doubt: the venue did not serve the request, or says so; it is asked.",
    ErrorClass.UNKNOWN_STATE: "In doubt: the venue itself does not know; it is asked until that is proven.",
    ErrorClass.REJECTED: "The order is rejected, with the venue's own words.",
}

ANOMALIES: Final[Mapping[AnomalyCode, str]] = {
    AnomalyCode.FILL_AFTER_TERMINAL: "A trade came after the order had ended; it is booked.",
    AnomalyCode.OVERFILL: "More was filled than ordered; all of it is booked.",
    AnomalyCode.MISMATCH: "Another instrument, side or content than the order's; a trade is booked as it is told.",
    AnomalyCode.ILLEGAL_TRANSITION: "The report contradicts the order's status, which stays.",
    AnomalyCode.ALIVE_AFTER_END: "The venue works on an order that had been given up as never placed.",
    AnomalyCode.SECOND_SUBMITTING: "An order was announced for sending twice; the second is passed over.",
    AnomalyCode.SECOND_VENUE_ORDER: "The venue knows two orders under one client order id.",
    AnomalyCode.EMPTY_FILL: "A trade without quantity or price; nothing is booked.",
    AnomalyCode.FEE_WITHOUT_CURRENCY: "A fee that names no asset is booked in quote currency.",
    AnomalyCode.UNKNOWN_TRADE: "A bust or correction of a trade that was never booked; nothing changes.",
    AnomalyCode.TRADE_REVERSED: "The venue took a trade back or corrected it; the reversal is booked.",
    AnomalyCode.TRADE_CONFLICT: "A booked trade was told again with other figures; the first stays.",
    AnomalyCode.TRADE_TOO_OLD: "It may have been booked and forgotten: not booked, a person must ask the venue.",
    AnomalyCode.LATE_FILL: "A trade of an order that is no longer remembered; it is booked.",
    AnomalyCode.EXTERNAL_ORDER: "An order of nobody here was found at the venue; it is counted in every limit.",
    AnomalyCode.UNAPPROVED_ORDER: "An order of ours that no approval explains; it is counted in every limit.",
}
