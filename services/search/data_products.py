"""The data products search: those that begin and end within the query's time."""

from contracts.http.aurorax import DataProductQuery
from services.kit.search_rows import pack
from services.kit.sources import read_sources, select, source_info
from services.kit.store.port import Packed, Store
from services.kit.store.source_port import ProductCursor
from services.search.filters import compile_filters
from services.search.rendering import product_row, source_json
from services.search.spans import Span

_AT_ONCE = 1000


async def find_products(store: Store, tenant: str, query: DataProductQuery, span: Span) -> Packed:
    """Return the rows of one span: a product belongs to the span in which it begins."""
    found = select(await read_sources(store, tenant), query.data_sources)
    names = {source.identifier: source_json(source_info(source)) for source in found}
    wanted = compile_filters(query.data_sources.data_product_metadata_filters)
    rows: list[bytes] = []
    cursor: ProductCursor | None = None
    while True:
        page = await store.data_products.page(
            tenant,
            list(names),
            span.start,
            query.end,
            types=query.data_product_type_filters,
            cursor=cursor,
            limit=_AT_ONCE,
        )
        within = [product for product in page.items if product.start <= span.end]
        rows += [
            product_row(names[each.source], each)
            for each in within
            if wanted is None or wanted.matches_json(each.metadata_json)
        ]
        cursor = page.next
        if cursor is None or len(within) < len(page.items):
            return pack(rows)
