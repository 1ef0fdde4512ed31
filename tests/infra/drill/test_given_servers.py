"""A broker that somebody else uses is left alone."""

from pathlib import Path

import pytest

from contracts.topics import IMAGE_QUERIES
from infra.drill.broker import require_unused
from infra.drill.installation import on_given_servers
from infra.drill.services import DrillError
from services.kit.bus.rabbit.bus import RabbitBus
from tests.support.messages import numbered


async def test_a_broker_with_workers_or_questions_is_refused(amqp_url: str, tmp_path: Path) -> None:
    await require_unused(amqp_url)
    async with RabbitBus(amqp_url) as bus:
        await require_unused(amqp_url)
        await bus.subscribe(IMAGE_QUERIES)
        with pytest.raises(DrillError, match="1 consumers"):
            await require_unused(amqp_url)
    async with RabbitBus(amqp_url) as bus:
        await bus.publish(numbered(2))
        with pytest.raises(DrillError, match="2 messages"):
            async with on_given_servers(tmp_path, tenant="drill", bus=amqp_url, store="mongodb://127.0.0.1:1/none"):
                pass


async def test_a_broker_that_is_not_there_is_said() -> None:
    with pytest.raises(DrillError, match="did not do as it was told"):
        await require_unused("amqp://127.0.0.1:1/")


async def test_a_cluster_is_drilled_by_one_node(tmp_path: Path) -> None:
    with pytest.raises(DrillError, match="one node"):
        async with on_given_servers(
            tmp_path, tenant="drill", bus="amqp://u:p@a,b/", store="mongodb://127.0.0.1:1/none"
        ):
            pass
