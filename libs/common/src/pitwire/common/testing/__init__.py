"""Hand-written fakes that the tests of every member share."""

from pitwire.common.testing.shell import FakeShell

__all__ = ["FakeShell"]
