"""The routers of the surface."""

from fastapi import APIRouter

from services.gateway.aurorax import admin, data, describe, requests, sources

ROUTERS: tuple[APIRouter, ...] = (describe.router, admin.router, requests.router, data.router, sources.router)
