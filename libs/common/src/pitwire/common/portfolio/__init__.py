"""The state of one account as a pure fold of its journal.

A reader gives every record of the account's subjects in order: ledger records to `apply_ledger`, everything else to
`observe`. The writer of the ledger besides calls `advance` up to `observed_sequence` before it decides, puts that
sequence into the cursors of its record, and applies the record like any reader once it is stored.
"""

from pitwire.common.portfolio.exposure import Exposure, Working
from pitwire.common.portfolio.holdings import NO_MARKS, Holdings, Marks
from pitwire.common.portfolio.orders import EVENTS_KEPT, Changes, Orders
from pitwire.common.portfolio.state import PENDING_MAX, AccountState
from pitwire.common.portfolio.view import AccountView, CoveredEvent, StrategyState

__all__ = [
    "EVENTS_KEPT",
    "NO_MARKS",
    "PENDING_MAX",
    "AccountState",
    "AccountView",
    "Changes",
    "CoveredEvent",
    "Exposure",
    "Holdings",
    "Marks",
    "Orders",
    "StrategyState",
    "Working",
]
