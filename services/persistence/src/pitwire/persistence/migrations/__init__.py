"""The schema of the database, step by step; `python -m pitwire.persistence migrate` applies what is missing."""

from __future__ import annotations

from typing import Final

HEAD: Final = "0004"
"""The newest step, and the one this build works with. Named here, so that the service need not load the migrator."""
