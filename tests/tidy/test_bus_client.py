"""The client of the bus is used in one place, and only for what keeps its promises."""

from __future__ import annotations

import ast
from pathlib import Path


def test_the_conveniences_that_lose_messages_are_used_nowhere(root: Path) -> None:
    """Whole names of the client, as attributes or as requests of the server's API."""
    banned = {
        "jetstream",
        "publish_async",
        "fetch",
        "pull_subscribe",
        "key_value",
        "watch",
        "drain",
        "ordered_consumer",
    }
    requests = ("CONSUMER.INFO", "deliver_subject", "CONSUMER.DURABLE")
    for path in (root / "libs/common/src/pitwire/common/bus").glob("*.py"):
        text = path.read_text()
        used = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
        assert not used & banned, path
        assert not [request for request in requests if request in text], path
    outside = [
        path
        for folder in ("libs", "services")
        for path in (root / folder).glob("*/src/**/*.py")
        if path.parent.name != "bus"
        and any(line.startswith(("import nats", "from nats")) for line in path.read_text().splitlines())
    ]
    assert outside == []
