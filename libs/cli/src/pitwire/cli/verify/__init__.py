"""Do the journal, PostgreSQL and the venue agree? Every invariant that can be seen from outside is checked."""

from pitwire.cli.verify.check import Check
from pitwire.cli.verify.verification import WAIT_DEFAULT_S, Outcome, Sources, judge, verify

__all__ = ["WAIT_DEFAULT_S", "Check", "Outcome", "Sources", "judge", "verify"]
