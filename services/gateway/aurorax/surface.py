"""The routers of the surface."""

from fastapi import APIRouter

from services.gateway.aurorax import admin, availability, data, describe, records, requests, sources

_PARTS = (describe, admin, requests, data, sources, records, availability)
ROUTERS: tuple[APIRouter, ...] = tuple(part.router for part in _PARTS)
