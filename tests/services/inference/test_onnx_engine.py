import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from contracts.http.models import Manifest
from services.inference.engine import Halt, ModelRejected, RunFailed
from services.inference.onnx_engine import OnnxEngine, OnnxModel, require
from services.inference.preprocess import Batch, empty_batch
from services.kit.errors import ConfigError
from tests.support import onnx_models
from tests.support.onnx_models import brightness_manifest, brightness_model

LEVELS = [0.0, 1.0, 0.2, 0.9, 0.4]


def load(data: bytes, manifest: Manifest | None = None) -> OnnxModel:
    return OnnxEngine(threads=1).load(data, manifest or brightness_manifest())


def batch_of(levels: list[float], manifest: Manifest | None = None) -> Batch:
    batch = empty_batch(len(levels), (manifest or brightness_manifest()).input)
    for row, level in enumerate(levels):
        batch[row] = level * (255 if batch.dtype == np.uint8 else 1)
    return batch


def code_of(data: bytes, manifest: Manifest | None = None) -> str:
    with pytest.raises(ModelRejected) as rejected:
        load(data, manifest)
    return rejected.value.code


@pytest.mark.parametrize("batch", ["N", 1, 2, 4])
def test_any_number_of_images_is_answered_whatever_batch_size_the_file_has(batch: int | str) -> None:
    model = load(brightness_model(batch=batch))
    outputs = model.run(batch_of(LEVELS))
    assert model.signature.fixed_batch == (None if batch == "N" else batch)
    assert outputs.shape == (5, 2)
    assert np.argmax(outputs, axis=1).tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "nhwc"},
        {"dtype": "uint8"},
        {"layout": "nhwc", "dtype": "uint8"},
        {"width": 12, "height": 5},
        {"width": 160, "height": 160},  # two fit into one run
        {"width": 300, "height": 300},  # larger than one run
    ],
    ids=str,
)
def test_layouts_types_and_sizes(options: dict[str, Any]) -> None:
    manifest = brightness_manifest(**options)
    outputs = load(brightness_model(**options), manifest).run(batch_of(LEVELS, manifest))
    assert np.argmax(outputs, axis=1).tolist() == [0, 1, 0, 1, 0]


def test_names_in_the_manifest_may_be_left_out() -> None:
    load(brightness_model(), brightness_manifest(input_name="image", output_name="scores"))
    load(brightness_model(), brightness_manifest())


def test_of_several_outputs_the_manifest_names_one() -> None:
    model = onnx.load_from_string(brightness_model())
    model.graph.output.append(onnx.helper.make_tensor_value_info("channels", onnx.TensorProto.FLOAT, ["N", 3]))
    data = bytes(model.SerializeToString())
    assert code_of(data) == "output_mismatch"
    assert load(data, brightness_manifest(output_name="scores")).signature.output.name == "scores"


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        (brightness_manifest(width=9), "input_mismatch"),
        (brightness_manifest(layout="nhwc"), "input_mismatch"),
        (brightness_manifest(dtype="uint8"), "input_mismatch"),
        (brightness_manifest(input_name="other"), "input_mismatch"),
        (brightness_manifest(output_name="other"), "output_mismatch"),
        (brightness_manifest(labels=("a", "b", "c")), "labels_mismatch"),
    ],
)
def test_a_file_that_does_not_fit_its_manifest_is_rejected(manifest: Manifest, code: str) -> None:
    assert code_of(brightness_model(), manifest) == code


def test_a_file_with_a_second_input_is_rejected() -> None:
    model = onnx.load_from_string(brightness_model())
    model.graph.input.append(onnx.helper.make_tensor_value_info("threshold", onnx.TensorProto.FLOAT, [1]))
    assert code_of(bytes(model.SerializeToString()), brightness_manifest(input_name="image")) == "input_mismatch"


def test_a_fixed_batch_above_the_limit_is_rejected() -> None:
    assert code_of(brightness_model(batch=65)) == "input_mismatch"


def test_an_output_of_another_rank_is_rejected() -> None:
    mean = onnx.helper.make_node("ReduceMean", ["image"], ["scores"], axes=[2, 3], keepdims=1)
    assert code_of(onnx_models.save([mean], {}, output_shape=["N", 3, 1, 1])) == "output_mismatch"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"garbage, garbage, garbage", "not_onnx"),
        (b"", "not_onnx"),
        (brightness_model()[:-30], "not_onnx"),
        (onnx_models.unknown_operator_model(), "unsupported"),
        (onnx_models.future_opset_model(), "unsupported"),
        (onnx_models.foreign_operator_model(), "unsupported"),
    ],
)
def test_what_cannot_be_loaded_is_rejected_with_a_reason(data: bytes, code: str) -> None:
    assert code_of(data) == code


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "a/../../weights.bin"])
def test_the_library_itself_reads_no_other_file(
    location: str, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("models")
    for path in (folder / "weights.bin", folder / "deep" / "weights.bin"):
        path.parent.mkdir(exist_ok=True)
        onnx_models.write_weights(path)
    monkeypatch.chdir(folder / "deep")
    code_of(onnx_models.external_data_model(location))
    code_of(onnx_models.external_data_model(str(folder / "weights.bin")))


def test_a_run_that_fails_says_so_and_the_model_goes_on() -> None:
    model = load(onnx_models.fails_when_bright_model())
    with pytest.raises(RunFailed) as failed:
        model.run(batch_of([0.0, 1.0]))
    assert failed.value.code == "run_failed"
    assert model.run(batch_of([0.0, 0.5])).shape == (2, 2)


def test_a_run_that_does_not_end_can_be_stopped() -> None:
    model, halt = load(onnx_models.slow_model()), Halt()
    alarm = threading.Timer(0.3, halt.stop)
    alarm.start()
    with pytest.raises(RunFailed) as failed:
        model.run(batch_of([0.5]), halt)
    alarm.join()
    assert failed.value.code == "too_slow"


def test_a_run_that_is_stopped_before_it_begins_does_not_go_on() -> None:
    model, halt = load(onnx_models.slow_model()), Halt()
    halt.stop()
    with pytest.raises(RunFailed) as failed:
        model.run(batch_of([0.5]), halt)
    assert failed.value.code == "too_slow"


def test_stopping_one_run_disturbs_no_other() -> None:
    model, halt = load(brightness_model()), Halt()
    assert model.run(batch_of([1.0]), halt).shape == (1, 2)
    halt.stop()
    assert model.run(batch_of([1.0]), Halt()).shape == (1, 2)


def test_the_library_reports_to_nobody(tmp_path: Path) -> None:
    """Its telemetry leaves a session file in the temporary folder, and is off by itself only under CI."""
    unsaid = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}
    environment = {name: value for name, value in os.environ.items() if name not in unsaid}
    root = str(Path(__file__).parents[3])
    subprocess.run(
        [sys.executable, "-B", "-c", "import services.inference.onnx_engine"],
        env=environment | {"TMPDIR": str(tmp_path), "PYTHONPATH": root},
        check=True,
        timeout=50,
    )
    assert list(tmp_path.iterdir()) == []


def test_the_engine_can_tell_that_it_works() -> None:
    OnnxEngine(threads=1).check()


def test_a_provider_that_the_package_does_not_have_is_one_clear_line() -> None:
    with pytest.raises(ConfigError) as refused:
        OnnxEngine(threads=1, provider="cuda")
    text = str(refused.value)
    assert "SIGHTLINE_INFERENCE_PROVIDER=cuda" in text
    assert "install onnxruntime-gpu in place of onnxruntime" in text
    assert "\n" not in text


def test_a_provider_that_falls_back_to_the_cpu_is_refused_and_one_that_starts_is_taken() -> None:
    offered = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    with pytest.raises(ConfigError, match="does not start here; it needs an NVIDIA GPU"):
        require("cuda", offered, start=lambda: ["CPUExecutionProvider"])
    require("cuda", offered, start=lambda: offered)
