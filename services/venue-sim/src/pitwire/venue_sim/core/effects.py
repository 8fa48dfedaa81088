"""What one operation did, collected in order: reports of orders, and balances that changed."""

from decimal import Decimal

from pitwire.venue_sim.core.state import State
from pitwire.venue_sim.core.types import ExecType, Order, OrderList, Prevented, Report, Trade

BalanceChange = tuple[str, str, Decimal, Decimal]
"""(account, asset, free, locked) after the operation."""


class Effects:
    """The results of one operation at one time; the caller logs them and tells the clients."""

    def __init__(self, state: State, now_ms: int) -> None:
        self._state = state
        self.now_ms = now_ms
        self.reports: list[Report] = []
        self.tracked: list[Order] = []
        """Trailing stop orders that moved their extreme price."""
        self.lists: list[tuple[OrderList, bool]] = []
        """Order lists that began or ended, with whether they are done."""
        self.prevented: list[Prevented] = []
        self.released: list[OrderList] = []
        """Order lists whose working order is filled: their pending orders are to be placed now."""

    def report(
        self,
        order: Order,
        exec_type: ExecType,
        *,
        trade: Trade | None = None,
        cancel_id: str = "",
        orig_id: str = "",
        reason: str = "",
        prevented: Prevented | None = None,
    ) -> None:
        """Note one change of an order with its values right now."""
        state = self._state
        self.reports.append(
            Report(
                order=order,
                exec_type=exec_type,
                exec_id=state.next_exec_id,
                status=order.status,
                ts_ms=self.now_ms,
                client_order_id=cancel_id or order.client_order_id,
                orig_client_order_id=order.client_order_id if cancel_id else orig_id,
                quantity=order.quantity,
                cum_quantity=order.cum_quantity,
                cum_quote=order.cum_quote,
                working_ms=order.working_ms,
                trade=trade,
                reason=reason,
                prevented=prevented,
            )
        )
        state.next_exec_id += 1

    def take_balances(self) -> list[BalanceChange]:
        """Every balance that changed, once, in account order of the reports; call it when the operation is complete."""
        changes: list[BalanceChange] = []
        for account_id in {report.order.account_id: None for report in self.reports}:
            account = self._state.accounts[account_id]
            account.updated_ms = self.now_ms
            changes.extend((account_id, *change) for change in account.take_touched())
        return changes
