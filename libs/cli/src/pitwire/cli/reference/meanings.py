"""What each code means and what to do about it, in words a person at the terminal needs; complete by test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pitwire.common.enums import NotSentReason
from pitwire.common.order_transitions import AnomalyCode

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
