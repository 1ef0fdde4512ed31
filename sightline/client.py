"""The blocking client."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast

import httpx2

from contracts.http.aurorax import SourceInfo
from contracts.http.dead_letters import DeadLetter, DeadLetterDetail
from contracts.http.detectors import Detector
from contracts.http.ephemeris import EphemerisStored, EphemerisUpload
from contracts.http.models import Model
from contracts.http.queries import Query
from contracts.http.searches import SearchPlaces
from contracts.http.sources import SourceExtent
from contracts.http.tokens import Token, TokenCreated
from contracts.v1.search import SearchType
from sightline import data_sources, dead_letters, detectors, flows, models, queries, searches, tokens
from sightline.calls import Call, Page
from sightline.data_sources import NewSource, SourceCriteria
from sightline.dead_letters import LetterFilters, letter_id_of
from sightline.detectors import DetectorChanges, DetectorOptions
from sightline.images import ImageSource, read_image
from sightline.models import ManifestSource, ModelChanges, ModelSource, Progress
from sightline.queries import AskOptions, QueryFilters, WaitFor, query_id_of
from sightline.transport import DEFAULT_TIMEOUT_S, address_of, failure_of, options_of, reply_of, request_of

T = TypeVar("T")


class Client:
    """Talks to a running platform. May be shared by threads; close it, or use it in a `with`.

    `url` and `token` default to SIGHTLINE_URL (else the local platform) and SIGHTLINE_TOKEN. `timeout_s` is how long
    a call may take, repeats included; time that a call waits for a result on purpose comes on top.
    Every method may raise Refused or a subclass, and Unavailable; what more there is, it says.

    Raises:
        ValueError: `url` is no HTTP address, or `token` no token.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> None:
        self._address = address_of(url, token)
        self._timeout_s = timeout_s
        self._http = httpx2.Client(**options_of(self._address))

    @property
    def url(self) -> str:
        """The platform's origin."""
        return self._address.url

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # Asking

    def ask_async(self, detector: str, image: ImageSource, **options: Unpack[AskOptions]) -> Query:
        """Submit an image and return at once; the answer is looked up by the query's `id`.

        When it returns, the query is durable. Repeated under one idempotency key while the platform is away.

        Raises:
            UnknownOutcome: no answer came in time; repeat it with the error's `idempotency_key`.
        """
        return self._run(flows.ask_async(detector, read_image(image), options, self._timeout_s))

    def ask(
        self,
        detector: str,
        image: ImageSource,
        *,
        wait_s: float = 30.0,
        wait_for: WaitFor = "answer",
        **options: Unpack[AskOptions],
    ) -> Query:
        """Submit an image and wait for its answer.

        Raises:
            WaitTimeout: not answered within `wait_s`; its `query` has the ID to go on with.
            QueryEnded: the query failed, expired or was cancelled.
            UnknownOutcome: as for `ask_async`.
        """
        data = read_image(image)
        return self._run(flows.ask(detector, data, options, self._timeout_s, wait_s=wait_s, wait_for=wait_for))

    # Looking up

    def get_image_query(self, query: Query | str) -> Query:
        """Return the query as it is now; `label` is UNCLEAR until it is answered."""
        return self._run(flows.read(queries.get(query_id_of(query)), self._timeout_s))

    def wait_for_result(self, query: Query | str, timeout_s: float = 30.0) -> Query:
        """Return the query once it has an answer.

        Raises:
            WaitTimeout: none within `timeout_s`; its `query` is what is known, and waiting again goes on.
            QueryEnded: the query failed, expired or was cancelled.
        """
        return self._wait(query, timeout_s, "answer")

    def wait_for_confident_result(self, query: Query | str, timeout_s: float = 30.0) -> Query:
        """Return the query once its answer reaches the threshold or a person gave it. Raises as `wait_for_result`."""
        return self._wait(query, timeout_s, "confident")

    def list_image_queries(self, *, limit: int | None = None, **filters: Unpack[QueryFilters]) -> Iterator[Query]:
        """Go through the queries, newest first, page by page; at most `limit`."""
        return islice(self._all(partial(queries.page, filters, queries.page_size(limit))), limit)

    def image(self, query: Query | str) -> bytes:
        """Return the image as it was submitted."""
        return self._read(queries.image(query_id_of(query)))

    # Searching

    def search(self, search_type: SearchType, query: Mapping[str, Any]) -> str:
        """Ask a long search and return its ID at once; `wait_for_result` and `cancel` take it as of any query.

        Raises:
            UnknownOutcome: no answer came in time; a search that was accepted all the same is in the lists.
        """
        return self._run(flows.once(searches.submit(search_type, query), self._timeout_s))

    def search_rows(self, query: Query | str) -> list[searches.Row]:
        """Return the rows of a search. Raises NotFound until it is complete."""
        found = self.get_image_query(query)
        return self._read(searches.rows(found))

    def search_places(self, query: Query | str) -> SearchPlaces:
        """Return where the sources of each row of a conjunction search were when they were closest."""
        return self._read(searches.places(query_id_of(query)))

    # Data sources

    def data_sources(self, **criteria: Unpack[SourceCriteria]) -> tuple[SourceInfo, ...]:
        """Return the data sources whose program, platform and instrument_type are exactly these; all without any."""
        return self._read(data_sources.find(cast("dict[str, str]", criteria)))

    def data_source_extents(self, **criteria: Unpack[SourceCriteria]) -> tuple[SourceExtent, ...]:
        """Return the same sources, and how much there is of each: records, and the first and last moment."""
        return self._read(data_sources.extents(cast("dict[str, str]", criteria)))

    def create_data_source(self, **source: Unpack[NewSource]) -> SourceInfo:
        """Add a data source. Raises Conflict (source_exists)."""
        return self._run(flows.once(data_sources.create(source), self._timeout_s))

    def put_ephemeris(self, source: int, upload: EphemerisUpload) -> EphemerisStored:
        """Put whole days of a source, over what there is of their minutes; done again it changes nothing.

        Nothing is stored unless all of it is right. Raises NotFound (source_not_found).
        """
        return self._read(data_sources.put_ephemeris(source, upload))

    def put_data_products(self, source: SourceInfo, products: Sequence[Mapping[str, Any]]) -> int:
        """Put data products, over those of the same addresses, all of them or none; return how many those are.

        Each has data_product_type, start, end, url and, if there is any, metadata; see docs/aurorax.md.
        """
        return self._read(data_sources.put_data_products(source, products))

    def delete_data_products(self, source: SourceInfo, urls: Sequence[str]) -> int:
        """Delete the data products of these addresses; return how many were there."""
        return self._read(data_sources.delete_data_products(source, urls))

    def delete_ephemeris(self, source: SourceInfo, start: datetime, end: datetime) -> int:
        """Delete the records of a span, both ends included; return how many there were. The times have a zone."""
        return self._read(data_sources.delete_ephemeris(source, start, end))

    # Changing

    def cancel(self, query: Query | str) -> Query:
        """Stop a query. Raises Conflict (query_ended) when its work is over."""
        return self._run(flows.once(queries.cancel(query_id_of(query)), self._timeout_s))

    def label(self, query: Query | str, label: str, *, confidence: float = 1.0, labelled_by: str = "") -> Query:
        """Give a person's answer; it outranks every model's, whatever state the query is in."""
        call = queries.label(query_id_of(query), label, confidence=confidence, labelled_by=labelled_by)
        return self._run(flows.once(call, self._timeout_s))

    def erase(self, query: Query | str) -> bool:
        """Remove record and image for good. False: accepted, but not done yet, since the result store is away."""
        return self._run(flows.once(queries.erase(query_id_of(query)), self._timeout_s))

    # Detectors

    def create_detector(self, name: str, query: str, **options: Unpack[DetectorOptions]) -> Detector:
        """Make a detector. Raises Conflict (name_taken)."""
        return self._run(flows.once(detectors.create(name, query, options), self._timeout_s))

    def get_or_create_detector(self, name: str, query: str, **options: Unpack[DetectorOptions]) -> Detector:
        """Return the detector of that name, made with `options` if there is none; Conflict if it asks otherwise."""
        return self._run(flows.get_or_create_detector(name, query, options, self._timeout_s))

    def get_detector(self, detector: str) -> Detector:
        """Return a detector by ID or name."""
        return self._read(detectors.get(detector))

    def detectors(self) -> Iterator[Detector]:
        """Go through the detectors, newest first."""
        return self._all(detectors.page)

    def update_detector(self, detector: str, **changes: Unpack[DetectorChanges]) -> Detector:
        """Change a detector, by ID or name; what is left out stays."""
        return self._run(flows.once(detectors.update(detector, changes), self._timeout_s))

    def bind_model(self, detector: str, model: str | None) -> Detector:
        """Let a model answer a detector's queries from now on; None leaves them to people."""
        return self.update_detector(detector, model=model)

    def delete_detector(self, detector: str) -> None:
        """Remove a detector; its queries stay."""
        self._run(flows.once(detectors.delete(detector), self._timeout_s))

    # Models

    def upload_model(
        self,
        model: ModelSource,
        *,
        manifest: ManifestSource,
        name: str,
        description: str = "",
        progress: Progress | None = None,
    ) -> Model:
        """Send an ONNX model with its manifest; the platform tries it before it takes it.

        Raises:
            Refused: model_rejected, manifest_invalid, with the reason.
            Conflict: name_taken.
        """
        checked = models.read_manifest(manifest)
        with models.opened(model, progress) as file:
            call = models.upload(file, checked, name=name, description=description)
            return self._run(flows.once(call, self._timeout_s))

    def get_model(self, model: str) -> Model:
        """Return a model by ID or name."""
        return self._read(models.get(model))

    def models(self) -> Iterator[Model]:
        """Go through the models, newest first."""
        return self._all(models.page)

    def update_model(self, model: str, **changes: Unpack[ModelChanges]) -> Model:
        """Change a model's name or description."""
        return self._run(flows.once(models.update(model, changes), self._timeout_s))

    def delete_model(self, model: str) -> None:
        """Remove a model. Raises Conflict (model_in_use) while a detector uses it."""
        self._run(flows.once(models.delete(model), self._timeout_s))

    # Tokens

    def create_token(self, name: str, scopes: Sequence[str] | None = None) -> TokenCreated:
        """Make a token; its `token` is shown this once."""
        return self._run(flows.once(tokens.create(name, scopes), self._timeout_s))

    def tokens(self) -> Iterator[Token]:
        """Go through the tokens, newest first, without their secrets."""
        return self._all(tokens.page)

    def revoke_token(self, key_id: str) -> None:
        """End a token, by its public key ID."""
        self._run(flows.once(tokens.revoke(key_id), self._timeout_s))

    # Dead letters

    def dead_letters(self, *, limit: int | None = None, **filters: Unpack[LetterFilters]) -> Iterator[DeadLetter]:
        """Go through the messages that were given up, newest first; at most `limit`."""
        return islice(self._all(partial(dead_letters.page, filters, queries.page_size(limit))), limit)

    def get_dead_letter(self, letter: DeadLetter | str) -> DeadLetterDetail:
        """Return a dead letter with headers and payload of its message."""
        return self._read(dead_letters.get(letter_id_of(letter)))

    def dead_letter_image(self, letter: DeadLetter | str) -> bytes:
        """Return the picture in the message of a dead letter, or the one that it refers to. Raises NotFound."""
        return self._read(dead_letters.image(letter_id_of(letter)))

    def requeue_dead_letter(self, letter: DeadLetter | str) -> bool:
        """Have its message published again; what comes of it counts once, however often it is done.

        False: accepted, but not published yet, since the result store is away; it does it when it is back. A query
        that has failed stays `failed`; its answer is added. Raises NotFound when the letter is gone, which is what a
        repeat meets; Refused (dead_letter_undeliverable) when nothing would take the message.
        """
        return self._run(flows.once(dead_letters.requeue(letter_id_of(letter)), self._timeout_s))

    def drop_dead_letter(self, letter: DeadLetter | str) -> bool:
        """Forget a dead letter for good; False as with `requeue_dead_letter`. Raises NotFound when it is gone."""
        return self._run(flows.once(dead_letters.drop(letter_id_of(letter)), self._timeout_s))

    def _wait(self, query: Query | str, timeout_s: float, wait_for: WaitFor) -> Query:
        return self._run(flows.wait(query_id_of(query), self._timeout_s, wait_s=timeout_s, wait_for=wait_for))

    def _all(self, page_at: Callable[[str | None], Call[Page[T]]]) -> Iterator[T]:
        cursor: str | None = None
        while True:
            page = self._read(page_at(cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def _read(self, call: Call[T]) -> T:
        return self._run(flows.read(call, self._timeout_s))

    def _run(self, flow: flows.Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                if isinstance(step, flows.Pause):
                    time.sleep(step.seconds)
                    step = flow.send(None)
                    continue
                try:
                    reply = reply_of(self._http.request(**request_of(step)))
                except httpx2.RequestError as error:
                    step = flow.throw(failure_of(error, self._address))
                else:
                    step = flow.send(reply)
        except StopIteration as stop:
            result: T = stop.value
            return result
