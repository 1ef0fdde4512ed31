"""Parameters of the busiest routes: one model says what they are, checks them in one step, and describes them.

FastAPI takes a route's parameters one by one, some ten microseconds each. Where thousands ask in a second that would
be most of the time of an answer; everywhere else its own way is the right one.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError

from services.kit.api_page import SECURITY

Node = dict[str, Any]


class Parameters(BaseModel):
    """Base of the parameters in the address of a route; every field has a description."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


P = TypeVar("P", bound=Parameters)


def read(model: type[P], given: Mapping[str, str]) -> P:
    """Return the parameters.

    Raises:
        RequestValidationError: one is missing or cannot be; it is answered like FastAPI's own.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from None


def header(name: str, description: str, example: str) -> Node:
    """Return the description of a header that may be left out."""
    schema = {"type": "string", "description": description, "examples": [example], "title": name}
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def described(model: type[Parameters], *headers: Node) -> Node:
    """Return what OpenAPI is to say of a route that reads these itself, and that it needs a token."""
    schema = model.model_json_schema()
    required = schema.get("required", ())
    in_address = [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": {key: value for key, value in node.items() if (key, value) != ("default", None)},
            "description": node["description"],
        }
        for name, node in schema["properties"].items()
    ]
    return {"security": SECURITY, "parameters": [*in_address, *headers]}
