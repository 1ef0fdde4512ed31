"""The routers of the surface."""

from fastapi import APIRouter

from services.gateway.groundlight import account, detectors, image_queries

ROUTERS: tuple[APIRouter, ...] = (account.router, detectors.router, image_queries.router)
