"""Limits that came later: a price collar, a rate of orders, concentration, a strategy's exposure."""

from __future__ import annotations

from typing import Final

from alembic import op

from pitwire.persistence.migrations.ddl import Addition

revision = "0004"
down_revision = "0003"

ADDITIONS: Final = (
    Addition(
        "limits",
        """
price_collar_percent           numeric NOT NULL DEFAULT 5    | how far a limit price may be through the mark
orders_per_minute_max          bigint NOT NULL DEFAULT 600   | of one strategy, market clock
concentration_max_percent      numeric NOT NULL DEFAULT 100  | one instrument, of equity
strategy_exposure_max_percent  numeric NOT NULL DEFAULT 200  | one strategy, of its capital
        """,
    ),
)
"""The defaults are what the limits of rows from before were taken to be."""


def upgrade() -> None:
    """New columns at the end of their tables."""
    for addition in ADDITIONS:
        op.execute(";\n".join(addition.add()))


def downgrade() -> None:
    """Everything this step made."""
    for addition in reversed(ADDITIONS):
        op.execute(addition.drop())
