"""The services by name, downstream first, and what runs them."""

from collections.abc import Sequence

from services.gateway.service import create as create_gateway
from services.inference.service import create as create_inference
from services.kit.runtime import Factory
from services.result_store.service import create as create_result_store
from services.search.service import create as create_search
from services.submitter.service import create as create_submitter

ALL: Sequence[Factory] = (create_result_store, create_inference, create_search, create_submitter, create_gateway)
"""Every service, in the order in which they start: whoever takes work starts before whoever sends it."""
