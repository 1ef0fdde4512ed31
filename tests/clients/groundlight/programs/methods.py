"""Print every method of the client and of its edge namespace."""

from groundlight import ExperimentalApi
from groundlight.edge.api import EdgeEndpointApi


def methods(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}


print(*sorted(methods(ExperimentalApi) | {f"edge.{name}" for name in methods(EdgeEndpointApi)}), sep="\n")
