import asyncio
import os
import resource
from pathlib import Path

import pytest

from contracts.http.models import Manifest
from services.inference.check_messages import Verdict
from services.inference.trial import try_model
from services.kit.errors import Unavailable
from tests.support import onnx_models
from tests.support.onnx_models import Where, brightness_manifest, brightness_model
from tests.support.until import until

MEMORY_BYTES = 2 * 1024**3


async def attempt(data: bytes, manifest: Manifest | None = None, *, limit_s: float = 30.0) -> Verdict:
    return await try_model(data, manifest or brightness_manifest(), limit_s=limit_s, memory_bytes=MEMORY_BYTES)


@pytest.mark.parametrize(
    ("data", "manifest"),
    [
        (brightness_model(), brightness_manifest()),
        (brightness_model(batch=1), brightness_manifest()),
        (
            brightness_model(layout="nhwc", dtype="uint8"),
            brightness_manifest(layout="nhwc", dtype="uint8"),
        ),
        (brightness_model(probabilities=True), brightness_manifest(activation="none")),
        (onnx_models.own_function_model(), brightness_manifest()),
    ],
    ids=["any batch", "batch of 1", "nhwc uint8", "probabilities", "own function"],
)
async def test_a_good_model_is_accepted(data: bytes, manifest: Manifest) -> None:
    assert await attempt(data, manifest) == Verdict(accepted=True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_onnx"),
        (b"garbage, garbage, garbage", "not_onnx"),
        (brightness_model()[:-30], "not_onnx"),
        (onnx_models.foreign_operator_model(), "unsupported"),
        (onnx_models.unknown_operator_model(), "unsupported"),
        (onnx_models.future_opset_model(), "unsupported"),
        (onnx_models.pretends_any_batch_model(), "input_mismatch"),
        (onnx_models.nan_model(), "non_finite_output"),
        (onnx_models.huge_model(), "too_much_memory"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
async def test_a_bad_model_is_rejected_with_its_reason(data: bytes, reason: str) -> None:
    verdict = await attempt(data)
    assert (verdict.accepted, verdict.reason) == (False, reason)
    assert verdict.detail


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (brightness_manifest(width=9), "input_mismatch"),
        (brightness_manifest(layout="nhwc"), "input_mismatch"),
        (brightness_manifest(output_name="other"), "output_mismatch"),
        (brightness_manifest(labels=("a", "b", "c")), "labels_mismatch"),
        (brightness_manifest(activation="none"), "scores_out_of_range"),
    ],
)
async def test_a_model_that_does_not_fit_its_manifest_is_rejected(manifest: Manifest, reason: str) -> None:
    verdict = await attempt(brightness_model(), manifest)
    assert (verdict.accepted, verdict.reason) == (False, reason)


@pytest.mark.parametrize("where", ["initializer", "constant", "subgraph", "sparse", "function"])
async def test_weights_in_other_files_are_refused_wherever_they_are_named(where: Where) -> None:
    assert (await attempt(onnx_models.external_data_model("weights.bin", where=where))).reason == "external_data"


@pytest.mark.parametrize("up", ["", "../", "a/../../"])
async def test_weights_in_other_files_are_refused_although_the_files_are_there(up: str, tmp_path: Path) -> None:
    onnx_models.write_weights(tmp_path / "weights.bin")
    for location in (f"{up}weights.bin", str(tmp_path / "weights.bin")):
        assert (await attempt(onnx_models.external_data_model(location))).reason == "external_data"


async def test_a_model_that_does_not_end_is_too_slow() -> None:
    assert (await attempt(onnx_models.slow_model(), limit_s=1.5)).reason == "too_slow"


async def test_a_huge_request_costs_this_process_nothing() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await asyncio.gather(*(attempt(onnx_models.huge_model()) for _ in range(3)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB; the models ask for 16 GB


async def test_cancelling_ends_the_child() -> None:
    trial = asyncio.create_task(attempt(onnx_models.slow_model()))
    await until(lambda: bool(children()))
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert not children()


async def test_a_child_that_somebody_else_ends_is_no_verdict_on_the_model() -> None:
    trial = asyncio.create_task(attempt(onnx_models.slow_model()))
    await until(lambda: bool(children()))
    for child in children():
        os.kill(child, 9)
    with pytest.raises(Unavailable):
        await trial


def children() -> list[int]:
    """The trials that are running now, as the system sees them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments, parent = path.read_bytes(), (path.parent / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if b"services.inference.check_child" in arguments and int(parent) == os.getpid():
            found.append(int(path.parent.name))
    return found
