"""Libraries without their optional companions: each process pays their import at every start, in time and in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """In the block, importing `modules` fails as if they were not installed; those imported before stay usable."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None is how the import system is told so
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
