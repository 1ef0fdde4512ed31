"""Finding the detector that a submission names, by ID or by name, also while the store is away."""

from contracts.ids import DETECTOR, is_id
from services.kit.catalog import Catalog
from services.kit.errors import Refused, Unavailable
from services.kit.store.records import DetectorRecord

_MOST_NAMES = 10_000


class Detectors:
    """Detectors by ID or name; remembers which ID a name led to, so that the catalog's cache serves names too."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._ids: dict[tuple[str, str], str] = {}

    async def find(self, tenant: str, detector: str) -> DetectorRecord:
        """Return the detector with that ID or name.

        Raises:
            Refused: detector_not_found, detector_gone, detector_off.
            Unavailable: the store is away, and it was not asked for this detector before.
        """
        if is_id(detector, DETECTOR):
            record = await self._catalog.detector(tenant, detector)
        else:
            record = await self._named(tenant, detector)
        if record is None:
            raise Refused("detector_not_found", "no detector of yours has that ID or name")
        if record.removed_at is not None:
            raise Refused("detector_gone", f"{record.id} was deleted and takes no more queries")
        if not record.enabled:
            raise Refused("detector_off", f"{record.id} takes no queries until it is switched on")
        return record

    async def _named(self, tenant: str, name: str) -> DetectorRecord | None:
        known = await self._remembered(tenant, name)
        if known is not None and known.name == name and known.removed_at is None:
            return known
        record = await self._catalog.detector_named(tenant, name)
        if record is not None:
            if len(self._ids) >= _MOST_NAMES:
                self._ids.pop(next(iter(self._ids)))
            self._ids[tenant, name] = record.id
            await self._catalog.detector(tenant, record.id)  # so that it is in the cache when the store goes away
        return record

    async def _remembered(self, tenant: str, name: str) -> DetectorRecord | None:
        detector_id = self._ids.get((tenant, name))
        if detector_id is None:
            return None
        try:
            return await self._catalog.detector(tenant, detector_id)
        except Unavailable:
            return None  # the search by name will say so
