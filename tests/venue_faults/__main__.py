"""`make venue-faults`: orders through every fault, order type and phase; prints the table, and a line for programs."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

from tests.venue_faults.campaign import campaign


def main() -> int:
    """Exit code 0 only if no promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.venue_faults", description=__doc__)
    parser.add_argument("--orders", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=None, help="which fault meets which order when; default: the clock")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else time.time_ns() % 1_000_000
    sys.stderr.write(f"{asked.orders} orders, seed {seed}\n")
    result = asyncio.run(campaign(asked.orders, seed=seed))
    sys.stdout.write(result.table() + "\n")
    for line in result.broken:
        sys.stdout.write(f"BROKEN {line}\n")
    figures = {
        "orders": result.orders,
        "probes": result.probes,
        "sent": result.sent,
        "fills": result.fills,
        "broken": result.broken,
    }
    sys.stdout.write(json.dumps(figures | {"seed": seed, "seconds": round(result.seconds, 1)}) + "\n")
    return 1 if result.broken else 0


if __name__ == "__main__":
    sys.exit(main())
