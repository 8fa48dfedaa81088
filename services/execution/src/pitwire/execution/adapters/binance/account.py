"""May this key trade here, and nothing worse? Looked at before the first order."""

from __future__ import annotations

from typing import Any, Final

from pitwire.common.config import Network
from pitwire.common.errors import VenueTrouble
from pitwire.execution.adapters.binance.rest import Rest

ACCOUNT: Final = "/api/v3/account"
RESTRICTIONS: Final = "/sapi/v1/account/apiRestrictions"


class UnfitKey(VenueTrouble):
    """The key opens an account that must not be traded with it; asked again, since a person may change it."""

    code = "UNFIT_KEY"


async def check_account(rest: Rest, network: Network) -> None:
    """Raises `UnfitKey` for a key that may not trade, or that may do more than trade.

    What a key may do is told by Binance itself alone: its testnet, its demo and the simulated venue have no such
    question, and nothing to withdraw.
    """
    account = await rest.signed(ACCOUNT, {"omitZeroBalances": "true"})
    if not isinstance(account, dict) or account.get("canTrade") is not True:
        raise UnfitKey("the account may not trade")
    if network is Network.LIVE:
        _check_restrictions(await rest.signed(RESTRICTIONS, {}))


def _check_restrictions(told: Any) -> None:
    """What is not told counts against the key."""
    told = told if isinstance(told, dict) else {}
    if told.get("enableWithdrawals") is not False:
        raise UnfitKey("the key may withdraw: make one that may only read and trade spot")
    if told.get("enableSpotAndMarginTrading") is not True:
        raise UnfitKey("the key may not trade spot: enable it where the key was made")
    if told.get("ipRestrict") is not True:
        raise UnfitKey("the key works from every address: restrict it to this machine's")
