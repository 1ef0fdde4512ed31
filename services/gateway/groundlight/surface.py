"""The routers of the surface."""

from fastapi import APIRouter

from services.gateway.groundlight import (
    account,
    detectors,
    edge,
    figures,
    groups,
    image_queries,
    not_served,
    priming,
)

_PARTS = (account, detectors, image_queries, groups, priming, figures, edge, not_served)
ROUTERS: tuple[APIRouter, ...] = tuple(part.router for part in _PARTS)
