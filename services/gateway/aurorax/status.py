"""A query document as the client reads the status of its search."""

import json
from collections.abc import Iterator
from datetime import datetime

from contracts.http.aurorax import ListedSearch, LogLine, SearchRequestInfo, SearchResultInfo, SearchStatus
from contracts.v1.search import SearchSubmitted
from services.kit.aurorax import data_path
from services.kit.store.documents import QueryDocument


def to_status(document: QueryDocument, request: SearchSubmitted) -> SearchStatus:
    """Return the status. Once the search has ended `data_uri` is set, however it ended: the client waits for that."""
    query = json.loads(request.query_json) | {"request_id": document.id}
    return SearchStatus(
        search_request=SearchRequestInfo(
            request_id=document.id,
            query=query,
            requested=document.created_at,
            request_type=request.search_type,
        ),
        search_result=_result(document, request),
        logs=tuple(_logs(document, request)),
    )


def to_listed(document: QueryDocument, request: SearchSubmitted) -> ListedSearch:
    """Return the row of the administrator's list."""
    result = _result(document, request)
    return ListedSearch(
        search_type=request.search_type,
        request_id=document.id,
        requested=document.created_at,
        active=not document.ended,
        query_duration=result.query_duration,
        result_file_exists=document.state == "answered",
        file_size=result.file_size,
        result_count=result.result_count,
        error_condition=result.error_condition,
    )


def _result(document: QueryDocument, request: SearchSubmitted) -> SearchResultInfo:
    if not document.ended:
        return SearchResultInfo()
    ended_at = _ended_at(document)
    whole = document.search if document.state == "answered" else None
    return SearchResultInfo(
        data_uri=data_path(request.search_type, document.id),
        result_count=whole.rows if whole is not None else 0,
        file_size=whole.size_bytes if whole is not None else 0,
        completed_timestamp=ended_at,
        query_duration=round((ended_at - document.created_at).total_seconds() * 1000),
        error_condition=document.state != "answered",
    )


def _ended_at(document: QueryDocument) -> datetime:
    return document.history[-1].at if document.history else document.updated_at


def _logs(document: QueryDocument, request: SearchSubmitted) -> Iterator[LogLine]:
    """Yield what happened, from what is recorded. The client shows the last line of a search that failed."""
    kind = request.search_type.replace("_", " ")
    yield LogLine(timestamp=document.created_at, level="info", summary=f"the {kind} search was accepted")
    progress = document.search
    if progress is not None:
        for transition in document.history:
            if transition.state == "running":
                text = f"the search is worked in {progress.parts} parts"
                yield LogLine(timestamp=transition.at, level="info", summary=text)
        if document.state in {"submitted", "running"}:
            text = f"{len(progress.done)} of {progress.parts} parts are done, with {progress.rows} rows so far"
            yield LogLine(timestamp=document.updated_at, level="info", summary=text)
    elif not document.ended:
        yield LogLine(timestamp=document.created_at, level="info", summary="the search waits for a worker")
    if document.ended:
        level, text = _end(document)
        yield LogLine.model_validate({"timestamp": _ended_at(document), "level": level, "summary": text})


def _end(document: QueryDocument) -> tuple[str, str]:
    match document.state:
        case "answered":
            rows = document.search.rows if document.search is not None else 0
            return "info", f"the search is complete: {rows} results"
        case "failed":
            error = document.error
            return "error", f"the search failed: {error.reason}: {error.detail}" if error else "the search failed"
        case "cancelled":
            return "warn", "the search was cancelled"
        case _:
            return "warn", "the search expired before it was begun"
