"""The submitter service."""

from contextlib import AsyncExitStack

from fastapi import APIRouter

from services.kit.platform import Platform
from services.submitter.groundlight import ROUTER as GROUNDLIGHT
from services.submitter.routes import NAME, ROUTER
from services.submitter.searches import ROUTER as SEARCHES
from services.submitter.submission import Submissions


class Submitter:
    """The write door. It has no work of its own between requests."""

    name = NAME
    routers: tuple[APIRouter, ...] = (ROUTER, GROUNDLIGHT, SEARCHES)

    def __init__(self, platform: Platform) -> None:
        self.submissions = Submissions(platform)

    async def start(self, stack: AsyncExitStack) -> None:
        """See `Service.start`."""
        del stack


def create(platform: Platform) -> Submitter:
    """Return the service."""
    return Submitter(platform)
