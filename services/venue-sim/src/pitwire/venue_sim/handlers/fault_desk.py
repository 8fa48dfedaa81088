"""The control port's wishes for faults: each is armed for later, carried out at once, or at its time in the market."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.handlers import operations
from pitwire.venue_sim.handlers.faults import MS_MAX, FaultError, number, word
from pitwire.venue_sim.handlers.venue import Venue

STEPS_MAX = 10_000
TIME_MS_MAX = 2**53
EXTERNAL = "venue itself"
"""The address that requests of the control port come from."""
RULES = ("tick_size", "lot_step", "notional_min")


class FaultDesk:
    """Grants wishes: connections and freezing are the world's business, the rest is the venue's."""

    def __init__(
        self,
        venue: Venue,
        *,
        drop: Callable[[str, str], int],
        freeze: Callable[[float], None],
        shut: Callable[[], None],
    ) -> None:
        self._venue = venue
        self._drop = drop
        self._freeze = freeze
        self._shut = shut
        self._script: list[tuple[int, dict[str, object]]] = []

    def grant(self, wish: dict[str, object]) -> str | None:
        """Grant one wish; the text of what is wrong with it, or None."""
        try:
            if wish.get("kind") == "script":
                self._read_script(wish)
            else:
                self._grant(wish)
        except (FaultError, ValueError) as problem:
            return str(problem)
        except VenueError as refusal:
            return f"{refusal.code}: {refusal.msg}"
        return None

    def play(self, market_ms: int) -> list[str]:
        """Carry out the steps of the script whose time has come; what went wrong with them."""
        problems: list[str] = []
        while self._script and self._script[0][0] <= market_ms:
            at_ms, wish = self._script.pop(0)
            problem = self.grant(wish)
            if problem is not None:
                problems.append(f"step at {at_ms}: {problem}")
        return problems

    def _read_script(self, wish: dict[str, object]) -> None:
        steps = wish.get("steps")
        if not isinstance(steps, list) or len(steps) > STEPS_MAX:
            raise FaultError(f"steps has to be a list of at most {STEPS_MAX} wishes, each with at_ms")
        script: list[tuple[int, dict[str, object]]] = []
        for step in steps:
            if not isinstance(step, dict) or step.get("kind") == "script":
                raise FaultError("a step is a wish with at_ms, and no script itself")
            at_ms = number(step, "at_ms", largest=TIME_MS_MAX)
            script.append((at_ms, {name: value for name, value in step.items() if name != "at_ms"}))
        self._script = sorted(script, key=lambda step: step[0])

    def _grant(self, wish: dict[str, object]) -> None:
        kind, venue = wish.get("kind"), self._venue
        if kind == "drop":
            self._drop(str(wish.get("mode", "hard")), str(wish.get("who", "all")))
        elif kind == "freeze":
            self._freeze(number(wish, "ms", largest=MS_MAX) / 1000)
        elif kind == "limit":
            status = number(wish, "status", smallest=418, largest=429)
            until_ms = venue.wall_ms() + 1000 * number(wish, "seconds", largest=MS_MAX // 1000)
            venue.limiter.refuse_all(status=status, until_ms=until_ms)
        elif kind == "maintenance":
            venue.faults.closed_until_ms = venue.wall_ms() + number(wish, "ms", largest=MS_MAX)
            self._shut()
        elif kind == "wipe":
            venue.wipe()
        elif kind in {"halt", "resume"}:
            venue.exchange.listing(word(wish, "symbol")).is_halted = kind == "halt"
        elif kind == "rules":
            self._change_rules(wish)
        elif kind == "revoke_key":
            if not venue.keyring.revoke(word(wish, "api_key")):
                raise FaultError("nobody has this api_key")
        elif kind in {"external_order", "external_cancel", "transfer", "bust_trade"}:
            self._act(str(kind), wish)
        else:
            venue.faults.arm(wish)

    def _act(self, kind: str, wish: dict[str, object]) -> None:
        """Something happens to an account that none of its programs asked for."""
        venue, account_id = self._venue, str(wish.get("account", next(iter(self._venue.exchange.accounts))))
        if account_id not in venue.exchange.accounts:
            raise FaultError(f"no account {account_id!r}")
        if kind == "bust_trade":
            venue.bust(account_id, word(wish, "symbol"), number(wish, "trade_id", largest=TIME_MS_MAX))
        elif kind == "transfer":
            venue.transfer(account_id, word(wish, "asset"), _amount(wish, "amount"))
        else:
            values = {name: str(value) for name, value in wish.items() if name not in {"kind", "account"}}
            if kind == "external_order":
                values.setdefault("newClientOrderId", f"web_{venue.exchange.next_order_id}")
            name = "order.place" if kind == "external_order" else "order.cancel"
            operations.run(venue, name, values, account_id=account_id, address=EXTERNAL)

    def _change_rules(self, wish: dict[str, object]) -> None:
        listing = self._venue.exchange.listing(word(wish, "symbol"))
        changed: dict[str, Decimal] = {name: _amount(wish, name) for name in RULES if name in wish}
        if not changed or any(value <= 0 for value in changed.values()):
            raise FaultError(f"give at least one of {', '.join(RULES)}, above zero")
        rules: SymbolRules = listing.rules
        listing.rules = replace(
            rules,
            tick_size=changed.get("tick_size", rules.tick_size),
            lot_step=changed.get("lot_step", rules.lot_step),
            notional_min=changed.get("notional_min", rules.notional_min),
        )


def _amount(wish: dict[str, object], name: str) -> Decimal:
    try:
        amount = Decimal(word(wish, name))
    except InvalidOperation:
        raise FaultError(f"{name} has to be an amount in a text, not {wish[name]!r}") from None
    if not amount.is_finite():
        raise FaultError(f"{name} has to be finite")
    return amount
