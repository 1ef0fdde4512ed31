"""Which model may answer for a detector, and which one a new detector gets by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import structlog

from contracts.http.detectors import Mode
from contracts.http.models import Manifest
from services.gateway.references import find_model
from services.kit.errors import Refused
from services.kit.store.port import Store

log = structlog.get_logger(__name__)

_MOST_SHOWN = 20
_TASKS = {
    "binary": "classification",
    "multiclass": "classification",
    "count": "detection",
    "bounding_box": "detection",
    "text": "text",
}
"""The task of the models that answer each mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a detector asks of its model."""

    mode: Mode
    labels: tuple[str, ...]
    class_name: str | None = None


class Fitting:
    """Finds models for detectors; `rules` are those of the setting `default_models`."""

    def __init__(self, store: Store, rules: Sequence[str]) -> None:
        self._store = store
        self._rules = rules

    async def bindable(self, tenant: str, reference: str | None, wish: Wish) -> str | None:
        """Return the ID of the model of that name or ID, None for none.

        Raises:
            Refused: model_not_found, model_not_ready, labels_mismatch.
        """
        if reference is None:
            return None
        model = await find_model(self._store, tenant, reference)
        if model.status != "ready":
            raise Refused("model_not_ready", f"its status is {model.status}")
        check_fit(model.manifest, wish)
        return model.id

    async def default(self, tenant: str, name: str, wish: Wish) -> str | None:
        """Return the ID of the first model of the rules that matches and fits; None leaves the answers to people."""
        for rule in self._rules:
            selector, _, model = rule.partition("=")
            mode, _, pattern = selector.partition(":")
            if mode not in {"*", wish.mode} or not fnmatchcase(name, pattern):
                continue
            try:
                return await self.bindable(tenant, model, wish)
            except Refused as error:
                log.warning("gateway.default_model_unfit", rule=rule, reason=error.code)
        return None


def check_fit(manifest: Manifest, wish: Wish) -> None:
    """Refuse a model that gives other answers than the detector has.

    Raises:
        Refused: labels_mismatch.
    """
    task = _TASKS[wish.mode]
    if manifest.task != task:
        raise Refused(
            "labels_mismatch", f"a {wish.mode} detector needs a model of {task}, this is one of {manifest.task}"
        )
    if task == "text":
        return
    if task == "detection":
        _check_class(manifest, wish.class_name or "")
    elif set(manifest.output.labels) != set(wish.labels):
        raise Refused("labels_mismatch", f"the detector has {_list(wish.labels)}; see the model's manifest for its own")


def _check_class(manifest: Manifest, class_name: str) -> None:
    if class_name.casefold() not in {label.casefold() for label in manifest.output.labels}:
        raise Refused("labels_mismatch", f"the model does not find {class_name}, but {_list(manifest.output.labels)}")


def _list(labels: tuple[str, ...]) -> str:
    shown = ", ".join(labels[:_MOST_SHOWN])
    return shown if len(labels) <= _MOST_SHOWN else f"{shown} and {len(labels) - _MOST_SHOWN} more"
