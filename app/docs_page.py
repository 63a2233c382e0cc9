"""A page of the routes, made of the OpenAPI document; it loads nothing from elsewhere and runs no script."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --soft: color-mix(in srgb, currentColor 60%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; font-size: 1.1rem; }
code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--soft); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-top: 1px solid var(--soft); }
.soft { color: var(--soft); }
"""


def page(openapi: dict[str, Any]) -> str:
    """Give the page as HTML.

    Args:
        openapi: the document, as FastAPI makes it.
    """
    info = openapi["info"]
    routes = "".join(
        _route(path, method, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style>"
        f"<h1>{escape(info['title'])}</h1><p>{escape(info['description'])}</p>"
        f"<p class=soft>For programs: <a href='/openapi.json'>/openapi.json</a></p>{routes}</html>"
    )


def _route(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code><td class=soft>{escape(parameter['in'])}"
        f"<td>{escape(parameter.get('description', ''))}{_example(parameter)}"
        for parameter in operation.get("parameters", [])
    )
    example = path
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            shown = str((parameter["schema"].get("examples") or ["…"])[0])
            example = example.replace("{" + parameter["name"] + "}", shown)
    return (
        f"<h2>{method.upper()} <code>{escape(path)}</code></h2><p>{escape(operation.get('description', ''))}"
        f"<pre>curl http://127.0.0.1:8025{escape(example)}</pre>" + (f"<table>{rows}</table>" if rows else "")
    )


def _example(parameter: dict[str, Any]) -> str:
    schema = parameter.get("schema", {})
    examples = schema.get("examples") or []
    shown = f", as in <code>{escape(str(examples[0]))}</code>" if examples else ""
    usual = schema.get("default")
    return shown + (f" <span class=soft>(default {escape(str(usual))})</span>" if usual not in (None, "") else "")
