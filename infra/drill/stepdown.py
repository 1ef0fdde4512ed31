"""Making a primary step down, as an election does."""

from infra.drill.services import DrillError

_STEPDOWN_S = 2
_ANSWER_MS = 5000


def step_down(url: str) -> None:
    """Make the MongoDB at an administrator's address give up being primary for two seconds."""
    # The driver is in an extra that the all-in-one process does without.
    from pymongo import MongoClient
    from pymongo.errors import AutoReconnect, PyMongoError

    with MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=_ANSWER_MS) as client:
        try:
            client.admin.command({"replSetStepDown": _STEPDOWN_S, "secondaryCatchUpPeriodSecs": 0, "force": True})
        except AutoReconnect:
            return  # it hangs up on everybody as it steps down
        except PyMongoError as error:
            raise DrillError(f"the store did not step down: {error}") from error
