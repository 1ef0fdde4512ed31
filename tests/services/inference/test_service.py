import asyncio
from pathlib import Path

from services.inference.service import create
from services.kit.platform import Service
from tests.support.inference import Workshop, gray_jpeg, workshop


async def test_it_is_a_service_that_is_ready_while_it_consumes(shop: Workshop) -> None:
    service: Service = create(shop.platform)
    assert (service.name, service.routers) == ("inference", ())
    assert await shop.platform.health.problems() == {}


async def test_after_it_has_stopped_it_is_not_ready(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        health = shop.platform.health
    assert "inference" in await health.problems()


async def test_what_is_in_hand_is_finished_when_it_stops(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        detector = await shop.add_detector(await shop.add_model())
        await shop.ask(*[shop.query(detector, gray_jpeg(9, width=2000, height=1500)) for _ in range(30)])
        await shop.fact()
        answered = shop.platform.metrics.registry
    handled = answered.get_sample_value("sightline_answers_total")
    assert handled is not None
    assert 1 <= handled <= 30
    done = {"queue": "inference.image_queries", "outcome": "done"}
    assert answered.get_sample_value("sightline_messages_handled_total", done) == handled


async def test_the_event_loop_goes_on_while_images_are_decoded_and_run(shop: Workshop) -> None:
    detector = await shop.add_detector(await shop.add_model())
    await shop.ask(*[shop.query(detector, gray_jpeg(9, width=3000, height=2000)) for _ in range(16)])
    longest, loop = 0.0, asyncio.get_running_loop()
    answers = asyncio.create_task(shop.answers(16))
    while not answers.done():
        began = loop.time()
        await asyncio.sleep(0.005)
        longest = max(longest, loop.time() - began)
    await answers
    assert longest < 2.0  # generous: one image of these takes tens of milliseconds, all of them a second
