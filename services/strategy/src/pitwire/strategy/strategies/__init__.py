"""Shipped strategies: one page each, and an example of how to write your own."""

from typing import Final

from pitwire.strategy.strategies.mean_reversion import MeanReversion
from pitwire.strategy.strategies.momentum import Momentum

SHIPPED: Final[dict[str, type]] = {"momentum": Momentum, "mean_reversion": MeanReversion}
