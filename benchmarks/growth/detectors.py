"""What many detectors on one worker cost, each with a model of its own: with room for all, and with room for some."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import layouts, models, pipeline
from benchmarks.loop import run
from benchmarks.plan import Say
from benchmarks.servers import Servers
from contracts.ids import DETECTOR, MODEL, new_id
from services.kit.clock import SystemClock
from services.kit.runtime import open_store
from services.kit.settings import load
from services.kit.store.records import Blob, DetectorRecord, ModelRecord

NUMBERS = (1, 10, 50, 100, 200)
ROOMS = {"room for all": 1024**3, "room for 50": 50 * 5 * 1024**2}
"""A small model counts as some 5 MB."""
_WARM_UP = 64
_QUERIES = 600
_TENANT = "default"


def measure(
    servers: Servers, pack: Path, say: Say, numbers: Sequence[int] = NUMBERS
) -> dict[str, list[dict[str, Any]]]:
    """Return for each room a point for each number of detectors, asked in turn."""
    found: dict[str, list[dict[str, Any]]] = {}
    detectors: list[str] = []
    for name, room in ROOMS.items():
        found[name] = []
        with layouts.separate(servers, SIGHTLINE_MODEL_MEMORY_BYTES=str(room)) as opened:
            detectors = detectors or run(_make(opened.store, max(numbers)))
            for number in numbers:
                first, *more = detectors[:number]
                stamp = f"detectors {name} {number}"
                done = [
                    pipeline.measure(
                        opened,
                        pipeline.Task(detector_id=first, more=more, pack=pack, count=count, stamp=f"{stamp} {count}"),
                    )
                    for count in (max(_WARM_UP, number), _QUERIES)
                ][-1]
                point = {
                    "detectors": number,
                    "answers_per_s": round(done.answers_per_s, 1),
                    "worker_mb": round(opened.usage()["inference"].resident_bytes / 1e6, 1),
                }
                found[name].append(point)
                say(f"{name}: {point}")
    return found


async def _make(store_url: str, count: int) -> list[str]:
    """Put models and their detectors into the store as if they had passed their trials; return the detectors' IDs."""
    ids = []
    manifest, now = models.load(models.SMALL).manifest, datetime.now(UTC)
    async with open_store(load({}, store=store_url), SystemClock()) as store:
        for number in range(count):
            data = models.small(seed=1000 + number)
            digest = hashlib.sha256(data).hexdigest()
            blob = Blob(tenant=_TENANT, sha256=digest, media_type="application/octet-stream", data=data)
            await store.model_files.put(blob)
            common = {"tenant": _TENANT, "name": f"growth-{number}", "created_at": now, "updated_at": now}
            model = ModelRecord(
                id=new_id(MODEL, now),
                digest=digest,
                size_bytes=len(data),
                manifest=manifest,
                status="ready",
                **common,
            )
            detector = DetectorRecord(
                id=new_id(DETECTOR, now),
                query="Where does it point?",
                mode="multiclass",
                labels=manifest.output.labels,
                model_id=model.id,
                **common,
            )
            await store.models.insert(model)
            await store.detectors.insert(detector)
            ids.append(detector.id)
    return ids
