"""The tear sheet: one HTML file that holds everything it shows and loads nothing from anywhere."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import orjson

from pitwire.common.errors import UsageError

PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,"><title>{title}</title><style>{style}</style></head>
<body><main id="sheet"></main><script id="data" type="application/json">{data}</script>
<script>{charts}</script><script>{script}</script></body></html>
"""


def write_report(path: Path, sheets: list[dict[str, Any]]) -> None:
    """Writes the page of one run, or of several side by side; `UsageError` where the file cannot be written."""
    part = files("pitwire.backtest").joinpath("report")
    data = orjson.dumps(sheets).decode().replace("<", "\\u003c")
    page = PAGE.format(
        title=escape(" / ".join(each["title"] for each in sheets)),
        style=part.joinpath("sheet.css").read_text(encoding="utf-8"),
        data=data,
        charts=part.joinpath("lightweight-charts.js").read_text(encoding="utf-8"),
        script=part.joinpath("sheet.js").read_text(encoding="utf-8"),
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as problem:
        msg = f"--report {path}: cannot be written: {problem.strerror}"
        raise UsageError(msg) from None
