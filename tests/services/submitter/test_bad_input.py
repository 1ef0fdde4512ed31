"""Bad input at the write door: each kind gets a clear problem, and nothing of it is stored or published."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.http.problems import PROBLEMS
from contracts.http.routes import MIB
from tests.support.images import (
    HDR_BOMB,
    PDF,
    SVG,
    TEXT,
    corrupt_middle,
    make_bmp,
    make_gif,
    make_jpeg,
    make_png,
    make_tiff,
    make_webp,
    png_claiming,
    truncated,
)
from tests.support.submitting import Door, open_door

JPEG = make_jpeg()
BOUNDARY = "----sightline"


@dataclass(frozen=True, slots=True)
class Bad:
    """A request, the code of its problem and a word that its detail must hold."""

    code: str
    word: str
    body: bytes = JPEG
    headers: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)


def form(*parts: tuple[str, str | None, bytes], boundary: str = BOUNDARY) -> bytes:
    """A multipart body of (name, file name or None for a field, content)."""
    lines = []
    for name, filename, content in parts:
        file = f'; filename="{filename}"\r\nContent-Type: image/jpeg' if filename else ""
        lines.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content)
    return b"\r\n".join(lines) + f"\r\n--{boundary}--\r\n".encode()


def in_form(*parts: tuple[str, str | None, bytes]) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a multipart request."""
    return form(*parts), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


IMAGES = {
    "empty": Bad("image_empty", "no bytes", b""),
    "text as JPEG": Bad("image_format", "text", TEXT),
    "truncated JPEG": Bad("image_truncated", "JPEG", truncated(JPEG)),
    "truncated PNG": Bad("image_truncated", "PNG", truncated(make_png())),
    "truncated WebP": Bad("image_truncated", "WebP", truncated(make_webp())),
    "corrupt middle": Bad("image_corrupt", "checksum", corrupt_middle(make_png()), {"Content-Type": "image/png"}),
    "0 x 0": Bad("image_corrupt", "0 x 0", png_claiming(0, 0)),
    "30,000 x 30,000": Bad("image_too_large", "30000 x 30000", png_claiming(30_000, 30_000)),
    "HDR bomb": Bad("image_format", "Radiance", HDR_BOMB),
    "GIF": Bad("image_format", "GIF", make_gif(), {"Content-Type": "image/gif"}),
    "SVG": Bad("image_format", "SVG", SVG, {"Content-Type": "image/svg+xml"}),
    "PDF": Bad("image_format", "PDF", PDF),
    "TIFF": Bad("image_format", "TIFF", make_tiff()),
    "BMP": Bad("image_format", "BMP", make_bmp()),
    "PNG declared as JPEG": Bad("image_type_mismatch", "image/png", make_png()),
}
BODIES = {
    "a form field of curl": Bad(
        "media_type", "image/jpeg", headers={"Content-Type": "application/x-www-form-urlencoded"}
    ),
    "JSON": Bad("media_type", "image/jpeg", b"{}", {"Content-Type": "application/json"}),
    "compressed": Bad("media_type", "Content-Encoding", headers={"Content-Encoding": "gzip"}),
    "over the limit": Bad("body_too_large", str(10 * MIB), JPEG.ljust(10 * MIB + 1, b"\0")),
    "no boundary": Bad(
        "bad_request", "boundary", form(("image", "a.jpg", JPEG)), {"Content-Type": "multipart/form-data"}
    ),
    "another boundary": Bad("bad_request", "multipart", form(("image", "a", JPEG), boundary="x"), in_form()[1]),
    "garbage as form": Bad("bad_request", "multipart", b"\x00\xff" * 50, in_form()[1]),
    "two files": Bad("bad_request", "exactly one", *in_form(("image", "a", JPEG), ("image", "b", JPEG))),
    "no file": Bad("invalid_parameter", "exactly one", *in_form()),
    "an image that is no file": Bad("bad_request", "file name", *in_form(("image", None, JPEG))),
    "wrong name": Bad("invalid_parameter", "named `image`", *in_form(("picture", "a.jpg", JPEG))),
    "an extra field": Bad("bad_request", "nothing else", *in_form(("image", "a.jpg", JPEG), ("note", None, b"x"))),
    "1,001 fields": Bad("bad_request", "nothing else", *in_form(*[(f"f{n}", None, b"x") for n in range(1001)])),
    "text in a file part": Bad("image_format", "text", *in_form(("image", "../../etc/passwd", TEXT))),
    "an empty file part": Bad("image_empty", "no bytes", *in_form(("image", "a.jpg", b""))),
    "a form cut short": Bad("bad_request", "multipart", in_form(("image", "a.jpg", JPEG))[0][:-200], in_form()[1]),
}
PARAMETERS = {
    "unknown detector name": Bad("detector_not_found", "no detector", parameters={"detector": "window"}),
    "unknown detector ID": Bad("detector_not_found", "no detector", parameters={"detector": "det_" + "0" * 27}),
    "malformed detector ID": Bad("detector_not_found", "no detector", parameters={"detector": "det_../\0"}),
    "empty detector": Bad("invalid_parameter", "detector", parameters={"detector": ""}),
    "huge detector": Bad("invalid_parameter", "detector", parameters={"detector": "d" * 10_000}),
    "threshold 7": Bad("invalid_parameter", "confidence_threshold", parameters={"confidence_threshold": "7"}),
    "threshold NaN": Bad("invalid_parameter", "confidence_threshold", parameters={"confidence_threshold": "NaN"}),
    "patience -1": Bad("invalid_parameter", "patience_s", parameters={"patience_s": "-1"}),
    "patience infinite": Bad("invalid_parameter", "patience_s", parameters={"patience_s": "inf"}),
    "expires in 0": Bad("invalid_parameter", "expires_in_s", parameters={"expires_in_s": "0"}),
    "expires in 1e300": Bad("invalid_parameter", "expires_in_s", parameters={"expires_in_s": "1e300"}),
    "wait negative": Bad("invalid_parameter", "wait", parameters={"wait": "-1"}),
    "wait NaN": Bad("invalid_parameter", "wait", parameters={"wait": "NaN"}),
    "wait huge": Bad("invalid_parameter", "wait", parameters={"wait": "1e9"}),
    "wait a word": Bad("invalid_parameter", "wait", parameters={"wait": "abc"}),
    "wait for nothing": Bad("invalid_parameter", "wait_for", parameters={"wait_for": "godot"}),
    "a misspelt parameter": Bad("invalid_parameter", "threshold", parameters={"threshold": "0.5"}),
    "empty key": Bad("key_invalid", "Idempotency-Key", headers={"Idempotency-Key": ""}),
    "long key": Bad("key_invalid", "255", headers={"Idempotency-Key": "k" * 256}),
    "key with a space": Bad("key_invalid", "visible", headers={"Idempotency-Key": "a b"}),
    "metadata no JSON": Bad("metadata_invalid", "not JSON", parameters={"metadata": "{"}),
    "metadata empty": Bad("metadata_invalid", "not JSON", parameters={"metadata": ""}),
    "metadata huge": Bad("metadata_invalid", "4096", parameters={"metadata": '"' + "x" * 4095 + '"'}),
    "metadata deep": Bad("metadata_invalid", "8 levels", parameters={"metadata": "[" * 2000 + "]" * 2000}),
    "metadata NaN": Bad("metadata_invalid", "NaN", parameters={"metadata": '{"a": NaN}'}),
    "metadata surrogate": Bad("metadata_invalid", "surrogate", parameters={"metadata": r'"\ud800"'}),
}


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_door(tmp_path) as door:
        yield door


@pytest.mark.parametrize(
    "bad", [*IMAGES.values(), *BODIES.values(), *PARAMETERS.values()], ids=[*IMAGES, *BODIES, *PARAMETERS]
)
async def test_bad_input_gets_a_problem_and_leaves_nothing_behind(door: Door, bad: Bad) -> None:
    response = await door.ask(bad.body, headers=bad.headers, **bad.parameters)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (PROBLEMS[bad.code].status, bad.code)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert bad.word in problem["detail"]
    assert len(problem["detail"]) < 500
    assert await door.left_behind() == {}


async def test_a_missing_detector_is_said(door: Door) -> None:
    response = await door.http.post("/v1/image-queries", content=JPEG, headers={"Content-Type": "image/jpeg"})
    assert response.json()["code"] == "invalid_parameter"
    assert "detector" in response.json()["detail"]


async def test_a_parameter_given_twice_is_refused(door: Door) -> None:
    address = f"/v1/image-queries?detector={door.detector.id}&wait=0&wait=10"
    response = await door.http.post(address, content=JPEG, headers={"Content-Type": "image/jpeg"})
    assert (response.json()["code"], "wait" in response.json()["detail"]) == ("invalid_parameter", True)
    assert await door.left_behind() == {}


async def test_every_parameter_of_the_page_is_taken(door: Door) -> None:
    """The names that are let through are those that the OpenAPI page describes."""
    parameters = door.app.openapi()["paths"]["/v1/image-queries"]["post"]["parameters"]
    names = {item["name"] for item in parameters if item["in"] == "query"}
    given = dict.fromkeys(names, "0") | {"detector": door.detector.id, "wait_for": "answer", "expires_in_s": "60"}
    response = await door.http.post("/v1/image-queries", params=given, content=JPEG)
    assert response.status_code == 202


async def test_an_address_that_is_not_utf_8_is_refused(door: Door) -> None:
    address = f"/v1/image-queries?detector={door.detector.id}&metadata=%22%ff%22"
    response = await door.http.post(address, content=JPEG, headers={"Content-Type": "image/jpeg"})
    assert response.json()["code"] == "invalid_parameter"
    assert await door.left_behind() == {}


async def test_a_deleted_detector_is_gone(door: Door) -> None:
    now = door.platform.clock.now()
    removed = door.detector.model_copy(update={"revision": 2, "updated_at": now, "removed_at": now})
    await door.platform.store.detectors.replace(removed)
    assert (await door.ask(JPEG)).json()["code"] == "detector_gone"
    assert (await door.ask(JPEG, detector=door.detector.name)).json()["code"] == "detector_not_found"
    assert await door.left_behind() == {}


async def test_a_body_over_the_limit_without_a_length_is_refused(door: Door) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield form(("image", "a.jpg", JPEG))[:200]
        for _ in range(11):
            yield bytes(MIB)

    for content_type in ("image/jpeg", f"multipart/form-data; boundary={BOUNDARY}"):
        response = await door.http.post(
            "/v1/image-queries",
            params={"detector": door.detector.id},
            content=chunks(),
            headers={"Content-Type": content_type},
        )
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert await door.left_behind() == {}


async def test_refusals_are_counted_by_code(door: Door) -> None:
    await door.ask(TEXT)
    await door.ask(JPEG)
    metrics = (await door.http.get("/metrics")).text
    assert 'sightline_submissions_total{outcome="image_format"} 1.0' in metrics
    assert 'sightline_submissions_total{outcome="accepted"} 1.0' in metrics
