"""The one table of routes: which service owns a method and path, and how large its body may be.

The all-in-one app, the edge proxy's configuration and a test are made from it. Everything that is not listed as the
submitter's belongs to the gateway.
"""

from dataclasses import dataclass
from typing import Literal

KIB = 1024
MIB = 1024 * KIB
SMALL_BODY = 64 * KIB


@dataclass(frozen=True, slots=True)
class Route:
    """One path template, with `{name}` for a single segment; `body_limit` in bytes."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    service: Literal["submitter", "gateway"]
    body_limit: int = SMALL_BODY


ROUTES: tuple[Route, ...] = (
    Route("GET", "/", "gateway"),
    Route("POST", "/v1/image-queries", "submitter", 10 * MIB),
    Route("GET", "/v1/queries", "gateway"),
    Route("GET", "/v1/queries/{query_id}", "gateway"),
    Route("GET", "/v1/queries/{query_id}/image", "gateway"),
    Route("GET", "/v1/queries/{query_id}/places", "gateway"),
    Route("POST", "/v1/queries/{query_id}/cancel", "gateway"),
    Route("POST", "/v1/queries/{query_id}/labels", "gateway"),
    Route("DELETE", "/v1/queries/{query_id}", "gateway"),
    Route("GET", "/v1/detectors", "gateway"),
    Route("POST", "/v1/detectors", "gateway"),
    Route("GET", "/v1/detectors/{detector}", "gateway"),
    Route("PATCH", "/v1/detectors/{detector}", "gateway"),
    Route("DELETE", "/v1/detectors/{detector}", "gateway"),
    Route("GET", "/v1/models", "gateway"),
    Route("POST", "/v1/models", "gateway", 512 * MIB),
    Route("GET", "/v1/models/{model}", "gateway"),
    Route("PATCH", "/v1/models/{model}", "gateway"),
    Route("DELETE", "/v1/models/{model}", "gateway"),
    Route("GET", "/v1/tokens", "gateway"),
    Route("POST", "/v1/tokens", "gateway"),
    Route("DELETE", "/v1/tokens/{key_id}", "gateway"),
    Route("GET", "/v1/dead-letters", "gateway"),
    Route("GET", "/v1/dead-letters/{letter_id}", "gateway"),
    Route("GET", "/v1/dead-letters/{letter_id}/image", "gateway"),
    Route("POST", "/v1/dead-letters/{letter_id}/requeue", "gateway"),
    Route("DELETE", "/v1/dead-letters/{letter_id}", "gateway"),
    Route("PUT", "/v1/ephemeris/{source}", "gateway", 8 * MIB),
    # The Groundlight surface, see docs/groundlight.md.
    Route("POST", "/device-api/v1/image-queries", "submitter", 10 * MIB),
    Route("GET", "/device-api/v1/image-queries", "gateway"),
    Route("GET", "/device-api/v1/image-queries/{query_id}", "gateway"),
    Route("GET", "/device-api/v1/image-queries/{query_id}/image", "gateway"),
    Route("POST", "/device-api/v1/labels", "gateway"),
    Route("GET", "/device-api/v1/me", "gateway"),
    Route("GET", "/device-api/v1/api-tokens/by-snippet/{snippet}", "gateway"),
    Route("GET", "/device-api/v1/detectors", "gateway"),
    Route("POST", "/device-api/v1/detectors", "gateway"),
    Route("GET", "/device-api/v1/detectors/{detector_id}", "gateway"),
    Route("PATCH", "/device-api/v1/detectors/{detector_id}", "gateway"),
    Route("DELETE", "/device-api/v1/detectors/{detector_id}", "gateway"),
    Route("GET", "/device-api/v1/detector-groups", "gateway"),
    Route("POST", "/device-api/v1/detector-groups", "gateway"),
    Route("GET", "/device-api/v1/notes", "gateway"),
    Route("POST", "/device-api/v1/notes", "gateway", 10 * MIB),
    Route("GET", "/device-api/v1/detectors/{detector_id}/pipelines", "gateway"),
    Route("GET", "/device-api/v1/detectors/{detector_id}/metrics", "gateway"),
    Route("GET", "/device-api/v1/detectors/{detector_id}/evaluation", "gateway"),
    Route("DELETE", "/device-api/v1/detector-reset/{detector_id}", "gateway"),
    Route("GET", "/device-api/v1/month-to-date-account-info", "gateway"),
    Route("GET", "/device-api/v1/priming-groups", "gateway"),
    Route("POST", "/device-api/v1/priming-groups", "gateway"),
    Route("GET", "/device-api/v1/priming-groups/{group_id}", "gateway"),
    Route("DELETE", "/device-api/v1/priming-groups/{group_id}", "gateway"),
    Route("GET", "/edge-info", "gateway"),
    Route("GET", "/edge-config", "gateway"),
    Route("PUT", "/edge-config", "gateway"),
    Route("GET", "/edge-detector-readiness", "gateway"),
    Route("POST", "/device-api/v1/vlm-verifications", "gateway", 100 * MIB),
    Route("POST", "/device-api/v1/synthetic-images", "gateway", 10 * MIB),
    Route("GET", "/device-api/v1/edge/fetch-model-urls/{detector_id}/", "gateway"),
    Route("GET", "/device-api/v1/actions/detector/{detector_id}/rules", "gateway"),
    Route("POST", "/device-api/v1/actions/detector/{detector_id}/rules", "gateway"),
    Route("GET", "/device-api/v1/actions/rules", "gateway"),
    # The AuroraX surface, see docs/aurorax.md.
    Route("POST", "/api/v1/conjunctions/search", "submitter", 256 * KIB),
    Route("POST", "/api/v1/ephemeris/search", "submitter", 256 * KIB),
    Route("POST", "/api/v1/data_products/search", "submitter", 256 * KIB),
    Route("GET", "/api/v1/{kind}/requests/{request_id}", "gateway"),
    Route("DELETE", "/api/v1/{kind}/requests/{request_id}", "gateway"),
    Route("GET", "/api/v1/{kind}/requests/{request_id}/data", "gateway"),
    Route("POST", "/api/v1/{kind}/requests/{request_id}/data", "gateway"),
    Route("POST", "/api/v1/utils/describe/query/{kind}", "gateway", 256 * KIB),
    Route("GET", "/api/v1/data_sources", "gateway"),
    Route("POST", "/api/v1/data_sources", "gateway", 256 * KIB),
    Route("POST", "/api/v1/data_sources/search", "gateway", 256 * KIB),
    Route("GET", "/api/v1/data_sources/{identifier}", "gateway"),
    Route("GET", "/api/v1/data_sources/{identifier}/stats", "gateway"),
    Route("PUT", "/api/v1/data_sources/{identifier}", "gateway", 256 * KIB),
    Route("PATCH", "/api/v1/data_sources/{identifier}", "gateway", 256 * KIB),
    Route("DELETE", "/api/v1/data_sources/{identifier}", "gateway"),
    Route("POST", "/api/v1/data_sources/{identifier}/ephemeris", "gateway", 128 * MIB),
    Route("DELETE", "/api/v1/data_sources/{identifier}/ephemeris", "gateway"),
    Route("POST", "/api/v1/data_sources/{identifier}/data_products", "gateway", 128 * MIB),
    Route("DELETE", "/api/v1/data_sources/{identifier}/data_products", "gateway", 32 * MIB),
    Route("GET", "/api/v1/availability/ephemeris", "gateway"),
    Route("GET", "/api/v1/availability/data_products", "gateway"),
    Route("GET", "/api/v1/utils/admin/search_requests", "gateway"),
    Route("DELETE", "/api/v1/utils/admin/search_requests/{request_id}", "gateway"),
)


def owner_of(method: str, path: str) -> Literal["submitter", "gateway"]:
    """Return the service that a request belongs to; `path` is without a query string."""
    given = path.split("/")
    for route in ROUTES:
        template = route.path.split("/")
        same_shape = route.method == method and len(template) == len(given)
        if same_shape and all(want.startswith("{") or want == had for want, had in zip(template, given, strict=True)):
            return route.service
    return "gateway"
