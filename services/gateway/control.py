"""How routes reach the control plane of this process."""

from typing import Annotated, Protocol, cast

from fastapi import Depends, Request

from services.gateway.dead_letters import DeadLetters
from services.gateway.detectors import Detectors
from services.gateway.models import Models
from services.gateway.source_records import SourceRecords
from services.gateway.sources import Sources
from services.gateway.tokens import Tokens
from services.kit.http import get_service


class Control(Protocol):
    """What the gateway offers to its routes."""

    detectors: Detectors
    models: Models
    sources: Sources
    source_records: SourceRecords
    tokens: Tokens
    dead_letters: DeadLetters


async def get_control(request: Request) -> Control:
    """Return the gateway of the app."""
    # Were it not async, each request would pay for a change of threads.
    return cast("Control", get_service(request, "gateway"))


ControlDep = Annotated[Control, Depends(get_control)]
