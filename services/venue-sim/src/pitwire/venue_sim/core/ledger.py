"""Balances of accounts: free and locked amounts per asset, in Decimal, never below zero."""

from dataclasses import dataclass
from decimal import Decimal

from pitwire.venue_sim.core.units import ZERO


class LedgerError(Exception):
    """A balance would become negative: the venue's own books are broken and it must stop."""


@dataclass(slots=True)
class Balance:
    """One asset of one account."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


class Account:
    """The balances of one account and which of them changed since they were last taken."""

    def __init__(self, account_id: str, free: dict[str, Decimal]) -> None:
        self.account_id = account_id
        self.opening = dict(free)
        self.balances = {asset: Balance(free=amount) for asset, amount in free.items()}
        self.touched: dict[str, Balance] = {}
        self.updated_ms = 0

    def free(self, asset: str) -> Decimal:
        balance = self.balances.get(asset)
        return balance.free if balance is not None else ZERO

    def change(self, asset: str, *, free: Decimal = ZERO, locked: Decimal = ZERO) -> None:
        """Add to an asset's amounts (negative takes away).

        Raises:
            LedgerError: an amount would fall below zero.
        """
        balance = self.balances.get(asset)
        if balance is None:
            balance = self.balances[asset] = Balance()
        balance.free += free
        balance.locked += locked
        if balance.free < 0 or balance.locked < 0:
            raise LedgerError(f"account {self.account_id}: {asset} free {balance.free}, locked {balance.locked}")
        self.touched[asset] = balance

    def take_touched(self) -> list[tuple[str, Decimal, Decimal]]:
        """(asset, free, locked) of what changed since the last call."""
        changed = [(asset, balance.free, balance.locked) for asset, balance in self.touched.items()]
        self.touched.clear()
        return changed
