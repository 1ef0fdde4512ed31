"""Routes of the dead letters: list, look, see the picture, publish again, drop."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi import Query as Parameter
from pydantic import Field

from contracts.http.dead_letters import DeadLetter, DeadLetterDetail, DeadLetterPage, LetterImage
from services.gateway import examples
from services.gateway.conditional import FRESH
from services.gateway.control import ControlDep
from services.gateway.cursor import decode_cursor, encode_cursor
from services.gateway.images import IMAGE_CONTENT, image_response
from services.gateway.letter_contents import read_contents
from services.gateway.paging import PageParameters
from services.kit.errors import Refused
from services.kit.http import Admin, PlatformDep, problems
from services.kit.store.port import LetterFilter
from services.kit.store.records import LetterSummary

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

LetterIdPath = Annotated[str, Path(description="The dead letter's ID, as listed.", examples=[examples.LETTER_ID])]

_COMMON = ("not_authenticated", "not_allowed", "unavailable")


class ListParameters(PageParameters):
    """Which dead letters to list; all of the filters must hold."""

    queue: Annotated[
        str | None,
        Field(max_length=200, description="The queue that gave it up.", examples=["inference.image_queries"]),
    ] = None
    reason: Annotated[
        str | None, Field(max_length=200, description="Why, as a code.", examples=["attempts_exhausted"])
    ] = None
    query_id: Annotated[
        str | None, Field(max_length=200, description="The query that it is about.", examples=[examples.QUERY_ID])
    ] = None
    tenant: Annotated[
        str | None,
        Field(
            max_length=200, description="Only for the operator: whose; empty for those of no tenant.", examples=["acme"]
        ),
    ] = None


@router.get(
    "",
    summary="List dead letters, newest first",
    responses={200: examples.LETTERS, **problems(*_COMMON, "invalid_parameter")},
)
async def list_letters(
    parameters: Annotated[ListParameters, Parameter()], caller: Admin, control: ControlDep, response: Response
) -> DeadLetterPage:
    """Answer with a page of the messages that a queue gave up, without the messages themselves.

    An admin sees those of the own tenant; admins of the installation's operator see all.
    """
    wanted = LetterFilter(
        queue=parameters.queue, reason=parameters.reason, query_id=parameters.query_id, tenant=parameters.tenant
    )
    cursor = decode_cursor(parameters.cursor)
    page = await control.dead_letters.page(caller, wanted, cursor, parameters.limit)
    response.headers["Cache-Control"] = FRESH
    return DeadLetterPage(items=tuple(_resource(letter) for letter in page.items), next_cursor=encode_cursor(page.next))


@router.get(
    "/{letter_id}",
    summary="Look at a dead letter",
    responses={200: examples.LETTER_DETAIL, **problems(*_COMMON, "dead_letter_not_found")},
)
async def get_letter(
    letter_id: LetterIdPath, caller: Admin, control: ControlDep, response: Response
) -> DeadLetterDetail:
    """Answer with headers and payload of the message; the payload is null if nobody can read it, and cut if long."""
    letter = await control.dead_letters.find(caller, letter_id)
    contents = read_contents(letter)
    picture = contents.picture
    image = None
    if picture is not None:
        image = LetterImage(
            media_type=picture.media_type,
            size_bytes=picture.size_bytes,
            sha256=picture.sha256,
            inline=picture.data is not None,
            url=f"/v1/dead-letters/{letter_id}/image",
        )
    response.headers["Cache-Control"] = FRESH
    return DeadLetterDetail(**dict(_resource(letter)), headers=letter.headers, payload=contents.payload, image=image)


@router.get(
    "/{letter_id}/image",
    summary="Get the picture of a dead letter",
    response_class=Response,
    responses={
        200: {"description": "The bytes as they were sent.", "content": IMAGE_CONTENT},
        **problems(*_COMMON, "dead_letter_not_found", "image_not_found"),
    },
)
async def get_image(letter_id: LetterIdPath, caller: Admin, control: ControlDep, platform: PlatformDep) -> Response:
    """Answer with the image of the message, from within it or from the store. Nobody has looked whether it is one."""
    letter = await control.dead_letters.find(caller, letter_id)
    picture = read_contents(letter).picture
    if picture is None:
        raise Refused("image_not_found", "the message has none")
    if picture.data is not None:
        return image_response(picture.data, picture.media_type, name=letter_id, headers={})
    blob = None
    if letter.tenant and picture.sha256 is not None:
        blob = await platform.store.images.get(letter.tenant, picture.sha256)
    if blob is None:
        raise Refused("image_not_found")
    return image_response(blob.data, blob.media_type, name=letter_id, headers={})


@router.post(
    "/{letter_id}/requeue",
    summary="Publish the message of a dead letter again",
    responses={
        200: {"description": "It is published; the letter is gone.", **examples.LETTER},
        202: {"model": DeadLetter, "description": "Accepted; it is not published yet."},
        **problems(*_COMMON, "dead_letter_not_found", "dead_letter_undeliverable"),
    },
)
async def requeue_letter(letter_id: LetterIdPath, caller: Admin, control: ControlDep, response: Response) -> DeadLetter:
    """Send the message once more to every queue that takes it. What dies again is a new letter.

    A query that had failed keeps that state, since it ends once; an answer is added to it and counts. Asking again
    answers 404 and does nothing: the letter is gone.
    """
    decided = await control.dead_letters.requeue(caller, letter_id)
    response.status_code = 200 if decided.done else 202
    return _resource(decided.letter)


@router.delete(
    "/{letter_id}",
    summary="Drop a dead letter",
    status_code=204,
    response_class=Response,
    responses={
        204: {"description": "It is gone."},
        202: {"description": "Accepted; it is not gone yet."},
        **problems(*_COMMON, "dead_letter_not_found"),
    },
)
async def drop_letter(letter_id: LetterIdPath, caller: Admin, control: ControlDep) -> Response:
    """Forget the message for good. The query that it is about stays as it is."""
    decided = await control.dead_letters.drop(caller, letter_id)
    return Response(status_code=204 if decided.done else 202)


def _resource(letter: LetterSummary) -> DeadLetter:
    return DeadLetter.model_validate(letter.model_dump(include=set(DeadLetter.model_fields)))
