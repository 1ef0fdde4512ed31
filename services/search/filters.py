"""From the filters of a query to those of the engine."""

from contracts.http.aurorax import Filters
from services.search.engine.filters import Expression, MetadataFilter


def compile_filters(filters: Filters) -> MetadataFilter | None:
    """Return the filter, None when it lets everything through."""
    if not filters.expressions:
        return None
    expressions = tuple(Expression(each.key, each.operator, each.values) for each in filters.expressions)
    return MetadataFilter(expressions, every=filters.logical_operator == "AND")
