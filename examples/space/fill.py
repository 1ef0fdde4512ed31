"""Put the data set into the store of an installation, e.g. before `sightline up`: python -m examples.space.fill."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.space.dataset import load
from services.kit.clock import SystemClock
from services.kit.errors import PlatformError
from services.kit.logging import configure
from services.kit.runtime import open_store
from services.kit.settings import load as load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the store that the settings name; done again it changes nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the embedded store, as for `sightline up`")
    parser.add_argument("--tenant", default="default")
    given = parser.parse_args(arguments)
    configure("WARNING", "console")
    try:
        sources = asyncio.run(_fill(given.data, given.tenant))
    except PlatformError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{sources} sources are in the store")
    return 0


async def _fill(data: Path | None, tenant: str) -> int:
    clock = SystemClock()
    async with open_store(load_settings(data=data), clock) as store:
        return await load(store, tenant, clock.now())


if __name__ == "__main__":
    sys.exit(main())
