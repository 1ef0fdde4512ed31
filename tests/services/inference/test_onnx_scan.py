import random

import pytest

from services.inference.engine import ModelRejected
from services.inference.onnx_scan import refuse_references
from tests.support import onnx_models
from tests.support.onnx_models import Where


def code_of(data: bytes) -> str:
    with pytest.raises(ModelRejected) as rejected:
        refuse_references(data)
    return rejected.value.code


@pytest.mark.parametrize(
    "data",
    [onnx_models.brightness_model(), onnx_models.slow_model(), onnx_models.own_function_model()],
    ids=["plain", "with a subgraph", "with a function of its own"],
)
def test_a_file_that_stands_alone_passes(data: bytes) -> None:
    refuse_references(data)


@pytest.mark.parametrize("where", ["initializer", "constant", "subgraph", "sparse", "function"])
def test_weights_in_other_files_are_found_wherever_the_reference_is(where: Where) -> None:
    assert code_of(onnx_models.external_data_model("weights.bin", where=where)) == "external_data"


def test_operators_of_a_foreign_domain_are_refused() -> None:
    assert code_of(onnx_models.foreign_operator_model()) == "unsupported"


@pytest.mark.parametrize("data", [b"", b"hello, this is text", bytes(100), b"\x80" * 50, b"\x3b\x3c", b"\x08\x01"])
def test_garbage_is_not_onnx(data: bytes) -> None:
    assert code_of(data) == "not_onnx"


def test_a_file_in_another_format_of_the_same_library_is_not_onnx() -> None:
    assert code_of(b"\x18\0\0\0ORTM" + bytes(100)) == "not_onnx"


@pytest.mark.parametrize("keep", [0.1, 0.3, 0.5, 0.9])
def test_a_truncated_file_is_not_onnx(keep: float) -> None:
    data = onnx_models.brightness_model()
    assert code_of(data[: int(len(data) * keep)]) == "not_onnx"


def test_nesting_is_bounded() -> None:
    refuse_references(onnx_models.nested_model(20))
    assert code_of(onnx_models.nested_model(100)) == "not_onnx"


def test_no_bytes_make_the_scan_fail_in_another_way() -> None:
    source, data = random.Random(1), onnx_models.slow_model()
    codes = set()
    for _ in range(2000):
        mutated = bytearray(data)
        for _ in range(source.randint(1, 5)):
            mutated[source.randrange(len(mutated))] = source.randrange(256)
        try:
            refuse_references(bytes(mutated))
        except ModelRejected as rejected:
            codes.add(rejected.code)
    assert "not_onnx" in codes
    assert codes <= {"not_onnx", "external_data", "unsupported"}
