"""MongoDB is lost and comes back from a backup, while the queue of facts holds what the backup does not know."""

import asyncio
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from infra.drill.doors import Doors
from infra.drill.journal import ENDED
from infra.drill.task import image, label_of
from infra.local.mongodb import MongoDB
from tests.support.servers import session_folder
from tests.support.under_load import installed

pytestmark = [pytest.mark.drill, pytest.mark.timeout(300)]

_STORED = range(40)
_QUEUED = range(40, 80)


async def test_facts_in_the_queue_complete_what_a_backup_does_not_know(amqp_url: str, tmp_path: Path) -> None:
    with closing(MongoDB(session_folder("mongodb"))) as store:
        store.start()
        url = store.database("restored")
        async with installed(tmp_path, bus=amqp_url, store=url) as installation, Doors(installation) as doors:
            await doors.prepare()
            asked = {number: await _ask(doors, number) for number in _STORED}
            for number in _STORED:
                await _expect_answered(doors, number, asked[number])

            installation.supervisor.freeze("result_store")
            asking = asyncio.gather(*(_ask(doors, number) for number in _QUEUED))
            await asyncio.to_thread(_back_up, store, tmp_path / "backup")
            asked |= dict(zip(_QUEUED, await asking, strict=True))

            await asyncio.to_thread(_lose_and_restore, store, tmp_path / "backup")
            installation.supervisor.resume("result_store")
            for number, query_id in asked.items():
                await _expect_answered(doors, number, query_id)
            assert len(await doors.all_queries()) == len(asked)
            assert [await _ask(doors, number) for number in _STORED] == [asked[number] for number in _STORED]


def _back_up(store: MongoDB, to: Path) -> None:
    """Copy the files while the server takes no writes, as docs/reliability.md says."""
    with MongoClient[dict[str, Any]](store.url) as client:
        client.admin.command({"fsync": 1, "lock": True})
        try:
            shutil.copytree(store.data, to)
        finally:
            client.admin.command({"fsyncUnlock": 1})


def _lose_and_restore(store: MongoDB, backup: Path) -> None:
    store.kill()
    shutil.rmtree(store.data)
    shutil.copytree(backup, store.data)
    (store.data / "mongod.lock").unlink(missing_ok=True)
    store.start()


async def _ask(doors: Doors, number: int) -> str:
    """Repeat one question under its key until it is accepted."""
    while True:
        answer = await doors.ask(number, image(number)[0])
        if answer.query is not None:
            return answer.query.id
        assert answer.unknown, answer.said
        await asyncio.sleep(answer.after_s)


async def _expect_answered(doors: Doors, number: int, query_id: str) -> None:
    query = None
    async with asyncio.timeout(60):
        while query is None or query.state not in ENDED:
            query = (await doors.look_up(query_id, wait_s=10)).query
    assert (query.state, query.label) == ("answered", label_of(number))
    assert len([each for each in query.history if each.state in ENDED]) == 1
