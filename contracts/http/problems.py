"""The one registry of error codes: status and title of every problem that the HTTP API answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """The status and title of a code."""

    status: int
    title: str


PROBLEMS: dict[str, ProblemKind] = {
    # the request as such
    "bad_request": ProblemKind(400, "The request cannot be read"),
    "not_authenticated": ProblemKind(401, "A valid token is needed"),
    "not_allowed": ProblemKind(403, "The token does not allow this"),
    "not_found": ProblemKind(404, "There is no such thing"),
    "not_served": ProblemKind(400, "This call of the Groundlight API is not served here"),
    "method_not_allowed": ProblemKind(405, "The path does not take this method"),
    "body_too_large": ProblemKind(413, "The body is too large"),
    "media_type": ProblemKind(415, "The body's media type is not taken here"),
    "invalid_parameter": ProblemKind(422, "A parameter is not valid"),
    "internal": ProblemKind(500, "Something in the platform failed"),
    "unavailable": ProblemKind(503, "A part of the platform is away or full; try again"),
    # queries
    "query_not_found": ProblemKind(404, "There is no such query"),
    "query_erased": ProblemKind(410, "The query was erased"),
    "query_ended": ProblemKind(409, "The query has already ended"),
    "key_reused": ProblemKind(422, "The idempotency key was used for another request"),
    "key_invalid": ProblemKind(400, "The idempotency key is not valid"),
    "label_invalid": ProblemKind(422, "The detector does not have this label"),
    "metadata_invalid": ProblemKind(422, "The metadata cannot be kept"),
    "image_not_found": ProblemKind(404, "The image is not there any more"),
    # images
    "image_empty": ProblemKind(422, "The image is empty"),
    "image_format": ProblemKind(415, "The image's format is not taken"),
    "image_truncated": ProblemKind(422, "The image is cut short"),
    "image_corrupt": ProblemKind(422, "The image cannot be read"),
    "image_too_large": ProblemKind(422, "The image has too many pixels"),
    "upload_unusable": ProblemKind(400, "The uploaded image is empty or corrupted"),
    "image_type_mismatch": ProblemKind(415, "The image is not of the type that was declared"),
    # control plane
    "detector_not_found": ProblemKind(404, "There is no such detector"),
    "detector_gone": ProblemKind(410, "The detector was deleted"),
    "priming_group_gone": ProblemKind(410, "The priming group was deleted"),
    "detector_off": ProblemKind(409, "The detector is switched off"),
    "model_not_found": ProblemKind(404, "There is no such model"),
    "model_rejected": ProblemKind(422, "The model file was rejected"),
    "model_not_ready": ProblemKind(409, "The model is not ready"),
    "model_in_use": ProblemKind(409, "A detector uses the model"),
    "manifest_invalid": ProblemKind(422, "The manifest is not valid"),
    "labels_mismatch": ProblemKind(422, "The model's labels are not the detector's"),
    "name_taken": ProblemKind(409, "The name is taken"),
    "edited_meanwhile": ProblemKind(409, "Somebody else changed it at the same time; read it again"),
    "token_not_found": ProblemKind(404, "There is no such token"),
    # data sources
    "source_not_found": ProblemKind(404, "There is no such data source"),
    "source_exists": ProblemKind(409, "Another data source has this identifier or name"),
    "source_in_use": ProblemKind(409, "The data source has records"),
    "records_invalid": ProblemKind(422, "Nothing was stored"),
    # dead letters
    "dead_letter_not_found": ProblemKind(404, "There is no such dead letter, or not any more"),
    "dead_letter_undeliverable": ProblemKind(422, "Nothing would take the message; it can only be dropped"),
}
