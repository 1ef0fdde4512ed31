"""The HTTP side that all services share: one app, problems, body limits, health, metrics."""

import time
from collections.abc import Iterable
from typing import Annotated, Any, cast

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.models import HTTPBearer
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security.base import SecurityBase
from prometheus_client import generate_latest
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.http.problems import PROBLEMS
from contracts.http.routes import ROUTES, SMALL_BODY
from contracts.http.tokens import Scope as TokenScope
from services.kit import aurorax
from services.kit.api_page import BEARER, DescribedApp, add_page
from services.kit.auth import Authenticator, Caller
from services.kit.errors import Conflict, NotFound, PlatformError, Refused, Unavailable
from services.kit.platform import Platform, Service

log = structlog.get_logger(__name__)

PROBLEM_JSON = "application/problem+json"
_Shape = tuple[str | None, ...]
"""The segments of a path, None for one of any text."""
_BY_STATUS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def create_app(
    platform: Platform, services: Iterable[Service], authenticator: Authenticator, *, version: str
) -> FastAPI:
    """Return the app with every router of `services`, health, metrics and the one error table."""
    app = DescribedApp(
        title="Sightline",
        version=version,
        summary="Ask now, look the answer up by ID.",
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        # docs/adr/0009; asking the environment about it took a twentieth of a request's time.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.platform = platform
    app.state.authenticator = authenticator
    app.state.services = {}
    for service in services:
        app.state.services[service.name] = service
        for router in service.routers:
            app.include_router(router)
    add_page(app)
    _add_operations(app, platform)
    app.add_exception_handler(PlatformError, _on_platform_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_crash)
    app.add_middleware(_BodyLimit)
    app.add_middleware(_Measure, platform=platform)
    return app


def platform_of(request: Request) -> Platform:
    """Return the platform of this process, for what is called so often that a dependency costs too much."""
    return cast("Platform", request.app.state.platform)


async def get_platform(request: Request) -> Platform:
    """Return the platform; a dependency for routes. Like all of ours it is async: FastAPI runs others in a thread."""
    return platform_of(request)


def get_service(request: Request, name: str) -> Service:
    """Return the service `name` of this process."""
    return cast("Service", request.app.state.services[name])


async def caller_of(request: Request, scope: TokenScope) -> Caller:
    """Return who calls; raise Refused unless they hold `scope`."""
    caller: Caller = await request.app.state.authenticator.caller(request.headers)
    caller.need(scope)
    return caller


class _Needs(SecurityBase):
    """A dependency that gives the Caller and refuses one without `scope`; the OpenAPI page says so."""

    def __init__(self, scope: TokenScope) -> None:
        self.model = HTTPBearer()
        self.scheme_name = BEARER
        self._scope = scope

    async def __call__(self, request: Request) -> Caller:
        return await caller_of(request, self._scope)


PlatformDep = Annotated[Platform, Depends(get_platform)]
Writer = Annotated[Caller, Depends(_Needs("queries:write"))]
Reader = Annotated[Caller, Depends(_Needs("queries:read"))]
Labeller = Annotated[Caller, Depends(_Needs("labels:write"))]
DetectorWriter = Annotated[Caller, Depends(_Needs("detectors:write"))]
SourceWriter = Annotated[Caller, Depends(_Needs("sources:write"))]
Admin = Annotated[Caller, Depends(_Needs("admin"))]


def problem(code: str, detail: str = "", *, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the problem+json response of a code of contracts/http/problems.py."""
    kind = PROBLEMS[code]
    body = {
        "type": f"urn:sightline:problem:{code}",
        "title": kind.title,
        "status": kind.status,
        "code": code,
        "detail": detail,
    }
    return JSONResponse(body, status_code=kind.status, media_type=PROBLEM_JSON, headers=headers)


def resource(found: BaseModel, status: int = 200, *, headers: dict[str, str] | None = None) -> Response:
    """Return a resource that is valid by its making; FastAPI would look at it once more."""
    return Response(found.model_dump_json(), status_code=status, media_type="application/json", headers=headers)


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer these problems, for the OpenAPI page."""
    responses: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        kind = PROBLEMS[code]
        entry = responses.setdefault(kind.status, {"description": "", "content": {PROBLEM_JSON: {"examples": {}}}})
        entry["description"] = " · ".join(filter(None, [entry["description"], f"`{code}`: {kind.title}"]))
        value = {"type": f"urn:sightline:problem:{code}", "title": kind.title, "status": kind.status, "code": code}
        entry["content"][PROBLEM_JSON]["examples"][code] = {"value": value}
    return responses


def _answer(path: str, code: str, detail: str = "", *, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the error in the form that the clients of this path read."""
    if path.startswith(f"{aurorax.PREFIX}/"):
        return aurorax.error_response(code, detail, headers=headers)
    return problem(code, detail, headers=headers)


async def _on_platform_error(request: Request, error: Exception) -> JSONResponse:
    path = request.url.path
    if isinstance(error, Refused):
        return _answer(path, error.code, error.detail)
    if isinstance(error, Unavailable):
        log.warning("http.unavailable", error=str(error))
        return _answer(path, "unavailable", str(error), headers={"Retry-After": str(max(1, round(error.after_s)))})
    if isinstance(error, NotFound):
        return _answer(path, "not_found", str(error))
    if isinstance(error, Conflict):
        return _answer(path, "edited_meanwhile", str(error))
    log.error("http.failed", error=str(error))
    return _answer(path, "internal")


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    # Without `input` and `ctx`: they echo the caller's bytes, megabytes or secrets among them.
    parts = []
    for item in cast("RequestValidationError", error).errors()[:5]:
        where = ".".join(str(part) for part in item["loc"] if part not in {"query", "body", "path", "header"})
        parts.append(f"{where}: {item['msg']}" if where else item["msg"])
    return _answer(request.url.path, "invalid_parameter", "; ".join(parts).encode("utf-8", "replace").decode())


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    status = cast("HTTPException", error).status_code
    headers = cast("HTTPException", error).headers
    code = _BY_STATUS.get(status, "bad_request" if status < 500 else "internal")
    detail = "" if status == 404 else str(cast("HTTPException", error).detail)
    return _answer(request.url.path, code, detail, headers=dict(headers or {}))


async def _on_crash(request: Request, error: Exception) -> JSONResponse:
    log.error("http.crashed", error=type(error).__name__)
    return _answer(request.url.path, "internal", "the log of the service has the details")


def _add_operations(app: FastAPI, platform: Platform) -> None:
    @app.get("/livez", tags=["operations"], summary="Alive: the process turns its loop")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", tags=["operations"], summary="Ready: every part works now", responses={503: {}})
    async def readyz() -> JSONResponse:
        found = await platform.health.problems()
        body = {"status": "not ready" if found else "ready", "problems": found}
        return JSONResponse(body, status_code=503 if found else 200)

    @app.get("/metrics", tags=["operations"], summary="Metrics for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        text = generate_latest(platform.metrics.registry).decode()
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


class _BodyLimit:
    """Answers 413 to a body over its route's limit, with and without Content-Length."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limits: dict[tuple[str, int], list[tuple[_Shape, int]]] = {}
        for route in ROUTES:
            shape = _shape(route.path)
            self._limits.setdefault((route.method, len(shape)), []).append((shape, route.body_limit))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope["method"], scope["path"])
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit() or int(declared) > limit:
            too_large = _answer(scope["path"], "body_too_large", f"at most {limit} bytes are taken here")
            await too_large(scope, receive, send)
            return
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                # FastAPI turns any other error while it reads a body into a 400.
                raise HTTPException(413, f"at most {limit} bytes are taken here")
            return message

        await self._app(scope, limited, send)

    def _limit(self, method: str, path: str) -> int:
        given = path.split("/")
        for shape, limit in self._limits.get((method, len(given)), ()):
            if all(part is None or part == had for part, had in zip(shape, given, strict=True)):
                return limit
        return SMALL_BODY


class _Measure:
    """Counts and times requests by route template, never by address."""

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self._app = app
        self._metrics = platform.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            self._metrics.requests.labels(scope["method"], route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(time.monotonic() - started)


def _shape(template: str) -> _Shape:
    return tuple(None if part.startswith("{") else part for part in template.split("/"))
