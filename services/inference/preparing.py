"""From the images of queries to their places in a batch: fetch, verify, decode, write."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.http.models import ManifestInput
from contracts.v1.image_query import Image
from services.inference.decoder import Decode, Decoded
from services.inference.decoding import DecodePool
from services.inference.preprocess import Batch, write_row
from services.kit.crash import crash_at
from services.kit.errors import NotFound, PlatformError, Refused, Unavailable
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

    async def prepare(
        self, tenant: str, images: Sequence[Image], wanted: ManifestInput, batch: Batch
    ) -> Sequence[Prepared | PlatformError]:
        """Write each image into its row of the batch, or say why not; then the row's values are undefined.

        The error is Refused where the image cannot be used and never will, NotFound where it is not in the store, and
        Unavailable where the store is away or no decoder can be started.

        Raises:
            DecoderBroken: no image can be decoded, and none is to blame.
        """
        fetched: Sequence[bytes | PlatformError] = [image.data for image in images if image.data is not None]
        if len(fetched) < len(images):
            fetched = await asyncio.gather(*(self._fetch(tenant, image) for image in images))

        def job(decode: Decode) -> Sequence[Prepared | PlatformError]:
            checked = [_verified(data, image) for data, image in zip(fetched, images, strict=True)]
            rows = [row for row, data in enumerate(checked) if isinstance(data, bytes)]
            crash_at("inference.decoding")
            decoded = decode([data for data in checked if isinstance(data, bytes)], wanted) if rows else ()
            results: list[Prepared | PlatformError | None] = [
                None if isinstance(data, bytes) else data for data in checked
            ]
            for row, result in zip(rows, decoded, strict=True):
                results[row] = result if isinstance(result, Refused) else self._place(result, wanted, batch[row])
            return [result for result in results if result is not None]

        try:
            return await self._pool.run(job)
        except Unavailable as error:
            return [error] * len(images)

    async def _fetch(self, tenant: str, image: Image) -> bytes | PlatformError:
        if image.data is not None:
            return image.data
        try:
            blob = await self._images.get(tenant, image.sha256)
        except Unavailable as error:
            return error
        return NotFound(f"the image {image.sha256[:12]} is not in the store") if blob is None else blob.data

    def _place(self, decoded: Decoded, wanted: ManifestInput, row: Batch) -> Prepared:
        self._metrics.decode_seconds.observe(decoded.decode_s)
        began = time.perf_counter()
        write_row(row, decoded.pixels, wanted)
        preprocess_s = decoded.resize_s + time.perf_counter() - began
        return Prepared(decoded.width, decoded.height, decoded.decode_s, preprocess_s)


def _verified(data: bytes | PlatformError, image: Image) -> bytes | PlatformError:
    if not isinstance(data, bytes):
        return data
    if len(data) != image.size_bytes:
        detail = f"the image has {len(data)} bytes, {image.size_bytes} were announced"
        return Refused("image_hash_mismatch", detail)
    if hashlib.sha256(data).hexdigest() != image.sha256:
        return Refused("image_hash_mismatch", "the image is not the one whose SHA-256 was announced")
    return data
