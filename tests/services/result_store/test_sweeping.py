"""The sweeper when something is wrong: what can be done is done, and what stands still is said."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from contracts.ids import new_id
from contracts.v1.image_query import Image, ImageQuerySubmitted
from services.kit.errors import UnknownVersion
from services.kit.platform import Platform
from services.kit.runtime import running
from services.kit.settings import load
from services.kit.store.documents import QueryDocument, QueryKey
from services.kit.store.port import Swap
from services.result_store.service import ResultStore, create
from tests.support.until import until

PAST = datetime(2026, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def house(folder: Path, *, sweep_interval_s: float) -> AsyncIterator[tuple[Platform, ResultStore]]:
    settings = load({}, data=folder, bus="memory://", sweep_interval_s=sweep_interval_s)
    async with running(settings, [create]) as app:
        yield app.state.platform, cast("ResultStore", app.state.services["result_store"])


async def write(platform: Platform, *, expired: bool = False, outdated: bool = False) -> QueryKey:
    query_id = new_id("iq", PAST)
    request = ImageQuerySubmitted(
        query_id=query_id,
        detector_id=new_id("det", PAST),
        image=Image(sha256="a" * 64, size_bytes=3, media_type="image/jpeg"),
        submitted_at=PAST,
        expires_at=PAST if expired else None,
    )
    document = QueryDocument(
        id=query_id,
        tenant="acme",
        revision=1,
        request=request,
        created_at=PAST,
        updated_at=PAST,
        expires_at=PAST + timedelta(days=1) if outdated else None,
    )
    assert not await platform.store.queries.swap([Swap(document, 0)])
    return document.key


def damage(folder: Path, key: QueryKey, text: str) -> None:
    with closing(sqlite3.connect(folder / "store.sqlite")) as connection, connection:
        connection.execute("UPDATE queries SET document = ? WHERE id = ?", (text, key.id))


async def test_a_document_that_cannot_be_read_does_not_stop_retention(tmp_path: Path) -> None:
    async with house(tmp_path, sweep_interval_s=3600) as (platform, service):
        damage(tmp_path, await write(platform, expired=True), '{"layout": 99}')
        outdated = await write(platform, outdated=True)
        with pytest.raises(UnknownVersion):
            await service.sweeper.sweep()
        assert not await platform.store.queries.load([outdated])


async def test_a_sweeper_that_has_stopped_is_not_ready(tmp_path: Path) -> None:
    async with house(tmp_path, sweep_interval_s=0.05) as (platform, _):
        assert await platform.health.problems() == {}
        damage(tmp_path, await write(platform, expired=True), "{")  # no JSON: no adapter promises anything then

        async def stopped() -> bool:
            return "result_store sweeper" in await platform.health.problems()

        await until(stopped)
