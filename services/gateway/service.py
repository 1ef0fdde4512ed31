"""The gateway: the read door, and the control plane of detectors, models, data sources and tokens."""

from contextlib import AsyncExitStack

from fastapi import APIRouter

from services.gateway.aurorax import surface as aurorax
from services.gateway.dead_letters import DeadLetters
from services.gateway.detectors import Detectors
from services.gateway.groundlight import surface as groundlight
from services.gateway.models import Models
from services.gateway.routes_dead_letters import router as dead_letters_router
from services.gateway.routes_detectors import router as detectors_router
from services.gateway.routes_ephemeris import router as ephemeris_router
from services.gateway.routes_models import router as models_router
from services.gateway.routes_queries import router as queries_router
from services.gateway.routes_query_facts import router as query_facts_router
from services.gateway.routes_root import router as root_router
from services.gateway.routes_searches import router as searches_router
from services.gateway.routes_tokens import router as tokens_router
from services.gateway.source_records import SourceRecords
from services.gateway.sources import Sources
from services.gateway.tokens import Tokens
from services.kit.auth import pepper_of
from services.kit.platform import Platform, Service


class Gateway:
    """The service; its routes reach the control plane through it."""

    name = "gateway"

    def __init__(self, platform: Platform) -> None:
        self.detectors = Detectors(platform)
        self.models = Models(platform)
        self.sources = Sources(platform)
        self.source_records = SourceRecords(platform)
        self.tokens = Tokens(platform.store, platform.clock, pepper_of(platform.settings))
        self.dead_letters = DeadLetters(platform)

    @property
    def routers(self) -> tuple[APIRouter, ...]:
        """Every route of `contracts/http/routes.py` that is not the submitter's."""
        return (
            queries_router,
            query_facts_router,
            searches_router,
            detectors_router,
            models_router,
            tokens_router,
            dead_letters_router,
            ephemeris_router,
            root_router,
            *groundlight.ROUTERS,
            *aurorax.ROUTERS,
        )

    async def start(self, stack: AsyncExitStack) -> None:
        """Nothing runs beside the requests."""


def create(platform: Platform) -> Service:
    """Return the gateway of this process."""
    return Gateway(platform)
