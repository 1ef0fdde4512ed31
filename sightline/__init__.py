"""Ask now, look the answer up by ID: the Python client of Sightline.

    with sightline.Client() as client:
        query = client.ask_async("door", "frame.jpg")
        ...
        print(client.wait_for_result(query.id).label)

`AsyncClient` has the same methods for asyncio; `sightline.errors` says what may go wrong.
"""

from contracts.http.dead_letters import DeadLetter
from contracts.http.detectors import Detector
from contracts.http.models import Manifest, Model
from contracts.http.queries import UNCLEAR, Answer, Query
from contracts.http.tokens import Token
from sightline import errors
from sightline.async_client import AsyncClient
from sightline.client import Client
from sightline.errors import (
    Conflict,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotSightline,
    QueryEnded,
    Refused,
    SightlineError,
    Unavailable,
    UnknownOutcome,
    WaitTimeout,
)

__all__ = [
    "UNCLEAR",
    "Answer",
    "AsyncClient",
    "Client",
    "Conflict",
    "DeadLetter",
    "Detector",
    "Manifest",
    "Model",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "NotSightline",
    "Query",
    "QueryEnded",
    "Refused",
    "SightlineError",
    "Token",
    "Unavailable",
    "UnknownOutcome",
    "WaitTimeout",
    "errors",
]
