"""One thing that must hold, and whether it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

DETAILS_MAX: Final = 5
"""Violations of one check that are told one by one; all of them are counted."""


@dataclass(frozen=True, slots=True)
class Check:
    """`id` is stable and names the invariant where there is one; `figure` says on how much it was judged."""

    id: str
    name: str
    holds: bool
    figure: str
    detail: str = ""


@dataclass(slots=True)
class Findings:
    """Violations as they are found: all counted, the first ones kept."""

    count: int = 0
    told: list[str] = field(default_factory=list[str])

    def add(self, detail: str) -> None:
        self.count += 1
        if len(self.told) < DETAILS_MAX:
            self.told.append(detail)

    def require(self, holds: bool, detail: str) -> None:
        if not holds:
            self.add(detail)

    def check(self, check_id: str, name: str, figure: str) -> Check:
        """The check these findings are about: it holds when there are none."""
        detail = "; ".join(self.told)
        if self.count > len(self.told):
            detail += f"; and {self.count - len(self.told)} more"
        return Check(check_id, name, not self.count, figure, detail)
