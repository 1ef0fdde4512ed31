"""Dead letters with the command, as an operator uses it."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.ids import new_id
from contracts.v1.image_query import Image, ImageQuerySubmitted
from services.gateway import dead_letters
from services.gateway.service import create as create_gateway
from services.kit.bus.codec import encode, event_of
from services.kit.bus.port import Message
from services.kit.clock import SystemClock
from services.kit.runtime import running
from services.kit.settings import load
from services.kit.store.records import DeadLetter, DetectorRecord
from services.kit.store.sqlite import SqliteStore
from sightline import Client, errors
from sightline.command.failures import UNAVAILABLE
from tests.sightline.command.conftest import Run
from tests.support.live import serve
from tests.support.server import Server, serving

NOW = datetime.now(UTC).replace(microsecond=0)
PICTURE = b"\xff\xd8\xff a picture as far as anybody has looked \xff\xd9"
DETECTOR = new_id("det", NOW)


def letter_id(number: int) -> str:
    return f"dead_{hashlib.sha256(str(number).encode()).hexdigest()[:27]}"


def question(number: int) -> tuple[str, Message]:
    """A question that was given up, and its ID."""
    at = NOW + timedelta(milliseconds=number)
    image = Image(
        sha256=hashlib.sha256(PICTURE).hexdigest(), size_bytes=len(PICTURE), media_type="image/jpeg", data=PICTURE
    )
    asked = ImageQuerySubmitted(query_id=new_id("iq", at), detector_id=DETECTOR, image=image, submitted_at=at)
    event = event_of(asked, source="test", tenant="default", at=at, subject=asked.query_id)
    return asked.query_id, encode(event)


def letter(number: int, reason: str, message: Message, *, query_id: str | None, tenant: str = "default") -> DeadLetter:
    return DeadLetter(
        id=letter_id(number),
        tenant=tenant,
        query_id=query_id,
        queue="inference.image_queries",
        reason=reason,
        detail="because",
        attempts=5,
        routing_key=message.routing_key,
        exchange=message.exchange,
        headers=dict(message.headers),
        content_type=message.content_type,
        body=message.body,
        size_bytes=len(message.body),
        died_at=NOW + timedelta(milliseconds=number),
    )


@dataclass(frozen=True, slots=True)
class Graveyard:
    """A platform with dead letters: six questions, and one that nobody speaks for."""

    server: Server
    questions: dict[str, str]
    """Query by letter."""
    nobodys: str


async def _bury(data: Path) -> dict[str, str]:
    questions: dict[str, str] = {}
    async with SqliteStore(data / "store.sqlite", SystemClock()) as store:
        record = DetectorRecord(
            tenant="default", id=DETECTOR, name="people", query="Who?", created_at=NOW, updated_at=NOW
        )
        await store.detectors.insert(record)
        for number in range(6):
            query_id, message = question(number)
            await store.dead_letters.add(letter(number, f"reason_{number // 2}", message, query_id=query_id))
            questions[letter_id(number)] = query_id
        _, message = question(6)
        await store.dead_letters.add(letter(6, "wrong_tenant", message, query_id=None, tenant=""))
    return questions


@pytest.fixture(scope="module")
def graveyard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graveyard]:
    data = tmp_path_factory.mktemp("graveyard")
    questions = asyncio.run(_bury(data))
    with serving(data) as server:
        yield Graveyard(server, questions, letter_id(6))


def test_letters_from_their_list_to_their_end(sightline: Run, graveyard: Graveyard, tmp_path: Path) -> None:
    url, ids = graveyard.server.url, list(graveyard.questions)
    listed = sightline("dead", "list", "--json", url=url)
    assert [document["id"] for document in listed.documents] == [graveyard.nobodys, *reversed(ids)]
    of_reason = sightline("dead", "list", "--reason", "reason_0", url=url)
    assert [line.split()[0] for line in of_reason.stdout.splitlines()[1:]] == [ids[1], ids[0]]
    assert "reason_0" in of_reason.stdout

    picture = tmp_path / "out.jpg"
    shown = sightline("dead", "show", ids[0], "--picture", picture, url=url)
    assert picture.read_bytes() == PICTURE
    assert str(picture) in shown.stderr
    for told in ("reason_0", "because", "attempts", graveyard.questions[ids[0]], "image/jpeg", "cloudEvents_type"):
        assert told in shown.stdout
    [detail] = sightline("dead", "show", ids[0], "--json", url=url).documents
    assert detail["payload"]["query_id"] == graveyard.questions[ids[0]]

    first = sightline("dead", "requeue", ids[0], "-", stdin=f"{ids[1]} and more\n", url=url)
    assert (first.exit_code, first.stdout) == (0, f"{ids[0]} requeued\n{ids[1]} requeued\n")
    again = sightline("dead", "requeue", ids[0], "--json", url=url)
    assert (again.exit_code, again.documents) == (0, [{"id": ids[0], "outcome": "gone"}])
    with Client(url) as client:
        for gone in ids[:2]:
            assert client.get_image_query(graveyard.questions[gone]).id == graveyard.questions[gone]

    unasked = sightline("dead", "requeue", "--reason", "reason_1", "--all", url=url)
    assert (unasked.exit_code, "Publish 2 messages again? Say --yes" in unasked.stderr) == (2, True)
    every = sightline("dead", "requeue", "--reason", "reason_1", "--all", "--yes", url=url)
    assert (every.exit_code, len(every.stdout.splitlines())) == (0, 2)
    assert sightline("dead", "requeue", "--reason", "reason_1", "--all", "--yes", url=url).stdout == ""

    refused = sightline("dead", "requeue", graveyard.nobodys, ids[0], url=url)
    assert (refused.exit_code, refused.stdout) == (1, f"{ids[0]} gone\n")
    assert "drop it" in refused.stderr
    assert sightline("dead", "drop", graveyard.nobodys, url=url).exit_code == 2
    dropped = sightline("dead", "drop", "--all", "--yes", url=url)
    assert (dropped.exit_code, len(dropped.stdout.splitlines())) == (0, 3)
    assert sightline("dead", "list", "--json", url=url).documents == []
    assert sightline("dead", "show", ids[0], url=url).exit_code == 3


async def test_what_is_only_accepted_is_not_called_done(
    process: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "FOLD_S", 0.05)
    async with running(load({}, data=tmp_path, bus="memory://"), [create_gateway]) as app, serve(app) as url:
        _, message = question(0)  # there is no result store that would act on it
        await app.state.platform.store.dead_letters.add(letter(0, "reason", message, query_id=None))
        for decision in (["requeue"], ["drop", "--yes"]):
            ran = await asyncio.to_thread(process, "dead", *decision, letter_id(0), "--json", SIGHTLINE_URL=url)
            assert ran.documents == [{"id": letter_id(0), "outcome": "accepted"}], ran.stderr
            assert (ran.exit_code, "not done yet" in ran.stderr) == (UNAVAILABLE, True)


@pytest.mark.parametrize(
    "arguments",
    [("requeue",), ("drop",), ("requeue", "x", "--all"), ("requeue", "x", "--reason", "y"), ("drop", "--reason", "y")],
)
def test_which_letters_are_meant_must_be_said(sightline: Run, arguments: tuple[str, ...]) -> None:
    ran = sightline("dead", *arguments, "--yes")
    assert (ran.exit_code, len(ran.stderr.splitlines())) == (2, 1)


def test_the_client_says_what_is_gone(client: Client) -> None:
    for call in (client.get_dead_letter, client.dead_letter_image, client.requeue_dead_letter, client.drop_dead_letter):
        with pytest.raises(errors.NotFound) as gone:
            call(letter_id(99))
        assert gone.value.code == "dead_letter_not_found"
    assert list(client.dead_letters(reason="no_such_reason", limit=3)) == []


def test_the_commands_need_the_scope_admin(sightline: Run) -> None:
    token = sightline("tokens", "create", "reader", "--scope", "queries:read").stdout.strip()
    ran = sightline("dead", "list", token=token)
    assert (ran.exit_code, "not_allowed" in ran.stderr) == (1, True)
