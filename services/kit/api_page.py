"""The description of the HTTP API: the OpenAPI document, and a page of it that needs no other server.

The page is plain HTML made here: an installation may have no way to the Internet, and whoever reads about it is
nobody else's business.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

PATH = "/docs"
BEARER = "HTTPBearer"
SECURITY: list[dict[str, list[str]]] = [{BEARER: []}, {"APIKeyHeader": []}]
"""Of an operation that takes a token: in the usual header, or in that of other clients."""
_SCHEMES = {
    BEARER: {"type": "http", "description": "A token of this installation.", "scheme": "bearer"},
    "APIKeyHeader": {"type": "apiKey", "in": "header", "name": "x-api-token"},
}

Node = Mapping[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")
_DEFAULT_ERROR = "#/components/schemas/HTTPValidationError"
_CODE, _BOLD = re.compile(r"`([^`]+)`"), re.compile(r"\*\*([^*]+)\*\*")
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b2733; }
h2 { margin-top: 2.5rem; text-transform: capitalize; }
details { border: 1px solid #d5dde5; border-radius: 6px; margin: .6rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; } summary b { display: inline-block; min-width: 4.5rem; }
table { border-collapse: collapse; width: 100%; } td { vertical-align: top; padding: .2rem .8rem .2rem 0; }
pre { background: #f4f6f8; border-radius: 6px; padding: .6rem; overflow-x: auto; font-size: .85rem; }
code { background: #f4f6f8; } p { white-space: pre-line; }
"""


class DescribedApp(FastAPI):
    """An app whose OpenAPI document promises what it answers, and whose page of it works offline."""

    def openapi(self) -> dict[str, Any]:
        """Return the document, without the framework's own form of a 422: ours are problems, and listed.

        Where a bearer token is taken, the header of other clients is too.
        """
        document = super().openapi()
        for _, _, operation in _operations(document):
            if "security" in operation:
                operation["security"] = SECURITY
                document["components"]["securitySchemes"] = _SCHEMES
            content = operation["responses"].get("422", {}).get("content", {})
            if content.get("application/json", {}).get("schema", {}).get("$ref") == _DEFAULT_ERROR:
                del operation["responses"]["422"]
        schemas = document.get("components", {}).get("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        return document


def add_page(app: FastAPI) -> None:
    """Serve the page at PATH."""

    @app.get(PATH, include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(render(app.openapi()), headers=_HEADERS)


def render(document: Node) -> str:
    """Return the page of an OpenAPI document."""
    info = document["info"]
    by_tag: dict[str, list[str]] = {}
    for method, path, operation in _operations(document):
        by_tag.setdefault((operation.get("tags") or ["other"])[0], []).append(_operation(method, path, operation))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(items)}" for tag, items in by_tag.items())
    schemas = "".join(_schema(name, node) for name, node in document.get("components", {}).get("schemas", {}).items())
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}: HTTP API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{_text(info.get('summary', ''))}\n"
        'For programs: <a href="/openapi.json">openapi.json</a>. A token goes into <code>Authorization: Bearer</code>.'
        f"</p>{sections}<h2>Resources</h2>{schemas}</html>"
    )


def _operations(document: Node) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield method, path, item[method]


def _operation(method: str, path: str, operation: Node) -> str:
    parts = [f"<p>{_text(operation.get('description', ''))}</p>"]
    if operation.get("parameters"):
        parts += ["<h4>Parameters</h4>", _table(_parameter(each) for each in operation["parameters"])]
    if "requestBody" in operation:
        parts += ["<h4>Body</h4>", *(_content(*each) for each in operation["requestBody"]["content"].items())]
    parts += ["<h4>Answers</h4>", *(_answer(*each) for each in operation["responses"].items())]
    title = f"<b>{method.upper()}</b> <code>{escape(path)}</code> {escape(operation.get('summary', ''))}"
    return f"<details><summary>{title}</summary>{''.join(parts)}</details>"


def _parameter(parameter: Node) -> tuple[str, str, str]:
    schema = parameter["schema"]
    needed = "needed" if parameter.get("required") else ""
    examples = parameter.get("examples") or schema.get("examples") or ()
    shown = ", ".join(json.dumps(each, ensure_ascii=False) for each in examples)
    said = _text(parameter.get("description") or schema.get("description", ""))
    name = f"<code>{escape(parameter['name'])}</code>"
    return name, f"{parameter['in']} {_type(schema)} {needed}", f"{said}{' e.g. ' + _code(shown) if shown else ''}"


def _answer(status: str, answer: Node) -> str:
    contents = "".join(_content(*each) for each in answer.get("content", {}).items())
    return (
        f"<details><summary><b>{escape(status)}</b>{_text(answer.get('description', ''))}</summary>{contents}</details>"
    )


def _content(media_type: str, content: Node) -> str:
    schema = content.get("schema", {})
    examples = [each.get("value") for each in content.get("examples", {}).values()]
    examples += [content["example"]] if "example" in content else schema.get("examples", [])
    shown = "".join(f"<pre>{escape(json.dumps(each, indent=2, ensure_ascii=False))}</pre>" for each in examples)
    return f"<div>{_code(media_type)} {_type(schema)}</div>{shown}"


def _schema(name: str, schema: Node) -> str:
    needed = schema.get("required", ())
    rows = (
        (_code(field), f"{_type(node)} {'needed' if field in needed else ''}", _text(node.get("description", "")))
        for field, node in schema.get("properties", {}).items()
    )
    said = _text(schema.get("description", ""))
    title = f"<summary><code>{escape(name)}</code></summary>"
    return f'<details id="{escape(name)}">{title}<p>{said}</p>{_table(rows)}</details>'


def _type(schema: Node) -> str:
    """Return the type of a value in a few words, resources as links."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return " or ".join(_type(each) for each in schema[choice])
    if "enum" in schema or "const" in schema:
        return " | ".join(escape(str(each)) for each in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(schema.get("format") or schema.get("type", ""))


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    return f"<table>{''.join('<tr>' + ''.join(f'<td>{cell}</td>' for cell in row) + '</tr>' for row in rows)}</table>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _text(markdown: str) -> str:
    """Return text with the two marks that our descriptions use."""
    return _BOLD.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escape(markdown)))
