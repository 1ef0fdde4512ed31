"""From a query's image to its place in a batch: fetch, verify, decode, write."""

import hashlib
import time
from dataclasses import dataclass

from contracts.http.models import ManifestInput
from contracts.v1.image_query import Image
from services.inference.decoding import Decode, Decoded, DecodePool
from services.inference.preprocess import Batch, write_row
from services.kit.crash import crash_at
from services.kit.errors import NotFound, Refused
from services.kit.metrics import Metrics
from services.kit.store.port import Blobs


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image that lies in its batch; the size is the picture's, its orientation applied."""

    width: int
    height: int
    decode_s: float
    preprocess_s: float


class Preparation:
    """Brings images into batches."""

    def __init__(self, images: Blobs, pool: DecodePool, metrics: Metrics) -> None:
        self._images = images
        self._pool = pool
        self._metrics = metrics

    async def prepare(self, tenant: str, image: Image, wanted: ManifestInput, row: Batch) -> Prepared:
        """Write the image into `row`, a view of the batch. After an error the row's values are undefined.

        Raises:
            Refused: it cannot be used, and never will.
            NotFound: it is not in the store.
            Unavailable: the store is away.
        """
        data = image.data
        if data is None:
            blob = await self._images.get(tenant, image.sha256)
            if blob is None:
                raise NotFound(f"the image {image.sha256[:12]} is not in the store")
            data = blob.data

        def job(decode: Decode) -> Prepared:
            _verify(data, image)
            crash_at("inference.decoding")
            decoded = decode(data, wanted)
            self._metrics.decode_seconds.observe(decoded.decode_s)
            return _place(decoded, wanted, row)

        return await self._pool.run(job)


def _verify(data: bytes, image: Image) -> None:
    if len(data) != image.size_bytes:
        raise Refused("image_hash_mismatch", f"the image has {len(data)} bytes, {image.size_bytes} were announced")
    if hashlib.sha256(data).hexdigest() != image.sha256:
        raise Refused("image_hash_mismatch", "the image is not the one whose SHA-256 was announced")


def _place(decoded: Decoded, wanted: ManifestInput, row: Batch) -> Prepared:
    began = time.perf_counter()
    write_row(row, decoded.pixels, wanted)
    preprocess_s = decoded.resize_s + time.perf_counter() - began
    return Prepared(decoded.width, decoded.height, decoded.decode_s, preprocess_s)
