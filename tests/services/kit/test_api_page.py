"""The page of the HTTP API, of the whole house: complete, true, and shown without any other server."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from contracts.http.routes import ROUTES
from services.embedded.compose import ALL
from services.kit.runtime import running
from services.kit.settings import load


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    async with running(load({}, data=tmp_path), ALL) as app:
        yield app


async def page_of(app: FastAPI) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as http:
        return await http.get("/docs")


def operations(app: FastAPI) -> dict[str, dict[str, Any]]:
    """Return the operations under /v1 by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
        if path.startswith("/v1")
    }


async def test_the_page_needs_no_other_server(app: FastAPI) -> None:
    response = await page_of(app)
    assert response.headers["Content-Type"].startswith("text/html")
    links = re.findall(r'(?:src|href|action)\s*=\s*"([^"]*)"', response.text)
    assert {link for link in links if not link.startswith("#")} == {"/openapi.json"}
    assert not re.search(r"<script|@import|url\(", response.text)
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_the_page_shows_every_route_parameter_and_problem(app: FastAPI) -> None:
    text = unescape((await page_of(app)).text)
    for route in (route for route in ROUTES if route.path.startswith("/v1/")):
        assert f"<b>{route.method}</b> <code>{route.path}</code>" in text
    for operation in operations(app).values():
        for parameter in operation.get("parameters", ()):
            assert f"<code>{parameter['name']}</code>" in text
    for link in re.findall(r'href="#([^"]+)"', text):
        assert f'id="{link}"' in text


def test_no_operation_promises_an_error_in_the_form_of_the_framework(app: FastAPI) -> None:
    for name, operation in operations(app).items():
        for status, answer in operation["responses"].items():
            assert status < "400" or set(answer["content"]) == {"application/problem+json"}, (name, status)
    assert "HTTPValidationError" not in str(app.openapi())


def test_every_parameter_and_body_has_an_example(app: FastAPI) -> None:
    bare = []
    for name, operation in operations(app).items():
        bare += [
            (name, parameter["name"])
            for parameter in operation.get("parameters", ())
            if not parameter.get("examples") and not parameter["schema"].get("examples")
        ]
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            binary = content["schema"].get("format") == "binary"
            if not (binary or "example" in content or "examples" in content or "examples" in content["schema"]):
                bare.append((name, media_type))
    assert bare == []
