"""Dead questions of devices, on RabbitMQ with a user of least privilege each."""

from pathlib import Path

from contracts.ids import new_id
from contracts.topics import IMAGE_QUERIES
from contracts.v1.dead_letter import DeadLetterRequeued
from services.kit.bus.codec import decode, encode, event_of
from services.kit.bus.rabbit.bus import RabbitBus
from services.kit.platform import Platform
from services.kit.runtime import running
from services.kit.settings import load
from services.kit.store.port import LetterFilter
from services.result_store.service import create
from tests.support.buses import expect_depth, take
from tests.support.gateways import make_question
from tests.support.result_store import START
from tests.support.servers import amqp_server
from tests.support.until import until
from tests.support.users import amqp_users


async def test_a_device_keeps_its_tenant_when_its_question_is_sent_again_and_gains_no_other(tmp_path: Path) -> None:
    server = amqp_server()
    users = amqp_users(server, devices=["acme.gate"])
    questions = [make_question(new_id("det", START), at=START) for _ in range(2)]
    honest, forged = (
        encode(event_of(question, source="device", tenant=tenant, at=START, subject=question.query_id))
        for question, tenant in zip(questions, ("acme", "other"), strict=True)
    )
    settings = load({}, data=tmp_path, bus=users.users["result_store"])
    async with RabbitBus(users.admin) as admin, running(settings, [create]) as app:
        platform: Platform = app.state.platform
        letters = platform.store.dead_letters
        inference = await admin.subscribe(IMAGE_QUERIES)
        async with RabbitBus(users.device("acme.gate")) as device:
            await device.publish([honest, forged])
        for delivery in await take(inference, 2):
            await inference.reject(delivery, "broken", "mend it")

        async def dead() -> bool:  # the forged one died in the queue of facts too
            return len((await letters.page(LetterFilter(reason="broken"), None, 10)).items) == 2

        await until(dead)
        kept = (await letters.page(LetterFilter(reason="broken"), None, 10)).items
        assert {letter.tenant for letter in kept} == {"acme", ""}
        for letter in kept:
            requeued = DeadLetterRequeued(letter_id=letter.id, requeued_at=START)
            await admin.publish([encode(event_of(requeued, source="test", tenant="acme", at=START))])
        [again] = await take(inference, 1)
        assert again.message.user == "result_store"
        assert (decode(again.message).tenant, again.message.body) == ("acme", honest.body)

        async def one_left() -> bool:
            left = (await letters.page(LetterFilter(reason="broken"), None, 10)).items
            return [letter.tenant for letter in left] == [""]

        await until(one_left)
        await inference.ack([again])
        await expect_depth(admin, IMAGE_QUERIES)
    server.remove_vhost(users.admin)
