"""Routes of the models."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Request, Response
from fastapi import Query as Parameter

from contracts.http.models import Model, ModelPage, ModelUpdate
from services.gateway import examples
from services.gateway.bodies import needs_json
from services.gateway.conditional import FRESH
from services.gateway.control import ControlDep
from services.gateway.cursor import decode_cursor, encode_cursor
from services.gateway.paging import PageParameters
from services.gateway.resources import to_model
from services.gateway.uploads import read_upload
from services.kit.disconnect import GONE, while_connected
from services.kit.errors import Refused
from services.kit.http import Admin, PlatformDep, Reader, problems

router = APIRouter(prefix="/v1/models", tags=["models"])

ModelPath = Annotated[str, Path(description="The model's ID or name.", examples=["door"])]

_COMMON = ("not_authenticated", "not_allowed", "unavailable")
_MANIFEST = '{"input": {"width": 64, "height": 64}, "output": {"labels": ["NO", "YES"]}}'
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["model", "manifest", "name"],
                    "properties": {
                        "model": {"type": "string", "format": "binary", "description": "The ONNX file."},
                        "manifest": {
                            "type": "string",
                            "description": "JSON: how the image becomes the input and the output becomes a label.",
                        },
                        "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"},
                        "description": {"type": "string", "maxLength": 2000},
                    },
                },
                "example": {"model": "(the bytes of door.onnx)", "name": "door", "manifest": _MANIFEST},
            }
        },
    }
}


@router.post(
    "",
    summary="Upload a model with its manifest",
    status_code=201,
    response_model=Model,
    responses={
        201: {"description": "The model was checked and may be bound.", **examples.MODEL},
        200: {"model": Model, "description": "The same upload was made before; this is its model."},
        202: {"model": Model, "description": "There is no verdict yet; look the model up later."},
        **problems(*_COMMON, "manifest_invalid", "model_rejected", "name_taken", "invalid_parameter", "media_type"),
        **problems("body_too_large", "bad_request"),
    },
    openapi_extra=_FORM,
)
async def upload_model(
    request: Request, response: Response, caller: Admin, platform: PlatformDep, control: ControlDep
) -> Model | Response:
    """Register an ONNX file and the manifest that says how to feed it and read it.

    The file is tried in a limited child process before it may answer anything; the request waits for the verdict.
    The same upload again answers with the same model. A rejected one keeps no name.
    """
    upload = await read_upload(request, platform.settings.model_max_bytes)
    record, created = await control.models.submit(caller.tenant, upload)
    del upload  # up to half a gigabyte, not needed while waiting
    checked = await while_connected(request, control.models.verdict(record))
    if checked is None:
        return Response(status_code=GONE)
    if checked.removed_at is not None:
        raise Refused("model_not_found", "it was deleted while it was checked")
    if checked.status == "rejected":
        raise Refused("model_rejected", f"{checked.reason or 'rejected'}: {checked.detail}")
    if checked.status == "checking":
        response.status_code = 202
    elif not created:
        response.status_code = 200
    response.headers["Location"] = f"/v1/models/{checked.id}"
    return to_model(checked)


@router.get(
    "",
    summary="List models, newest first",
    responses={200: examples.MODELS, **problems(*_COMMON, "invalid_parameter")},
)
async def list_models(
    parameters: Annotated[PageParameters, Parameter()], caller: Reader, control: ControlDep, response: Response
) -> ModelPage:
    """Answer with a page of the models that are not deleted, rejected ones with the reason among them."""
    page = await control.models.page(caller.tenant, decode_cursor(parameters.cursor), parameters.limit)
    response.headers["Cache-Control"] = FRESH
    return ModelPage(items=tuple(page.items), next_cursor=encode_cursor(page.next))


@router.get(
    "/{model}",
    summary="Get a model by ID or name",
    responses={200: examples.MODEL, **problems(*_COMMON, "model_not_found")},
)
async def get_model(model: ModelPath, caller: Reader, control: ControlDep, response: Response) -> Model:
    """Answer with the model, its manifest and the verdict of its check."""
    response.headers["Cache-Control"] = FRESH
    return to_model(await control.models.find(caller.tenant, model))


@router.patch(
    "/{model}",
    summary="Rename or describe a model",
    responses={
        200: examples.MODEL,
        **problems(*_COMMON, "model_not_found", "name_taken", "edited_meanwhile", "invalid_parameter", "media_type"),
    },
    dependencies=[Depends(needs_json)],
)
async def update_model(
    model: ModelPath,
    wanted: Annotated[ModelUpdate, Body(examples=[{"description": "trained on the gate's own frames"}])],
    caller: Admin,
    control: ControlDep,
) -> Model:
    """Change the fields that are sent. The file and its manifest never change: upload another model instead."""
    return to_model(await control.models.update(caller.tenant, model, wanted))


@router.delete(
    "/{model}",
    summary="Delete a model",
    status_code=204,
    response_class=Response,
    responses={
        204: {"description": "The model and its file are gone."},
        **problems(*_COMMON, "model_not_found", "model_in_use", "edited_meanwhile"),
    },
)
async def delete_model(model: ModelPath, caller: Admin, control: ControlDep) -> Response:
    """Delete a model that no detector binds. The answers it gave keep its name and digest."""
    await control.models.delete(caller.tenant, model)
    return Response(status_code=204)
