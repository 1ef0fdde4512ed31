"""Does a model file fit its manifest? Decided from what the file says of its inputs and outputs."""

from collections.abc import Sequence

from contracts.http.models import Manifest, ManifestInput
from services.inference.engine import ModelRejected, Signature, TensorFacts
from services.inference.preprocess import input_shape

MAX_FIXED_BATCH = 64
"""A file that takes only larger batches would compute mostly padding."""

_OUTPUT_TYPES = ("float32", "float16", "float64")


def match(inputs: Sequence[TensorFacts], outputs: Sequence[TensorFacts], manifest: Manifest) -> Signature:
    """Return the input and output to use.

    Raises:
        ModelRejected: input_mismatch, output_mismatch or labels_mismatch; the detail says what is where.
    """
    chosen = _only_input(inputs, manifest.input.name)
    fixed_batch = _check_input(chosen, manifest.input)
    output = _choose(outputs, manifest.output.name, "output")
    _check_output(output, manifest, fixed_batch=fixed_batch)
    return Signature(chosen, output, fixed_batch)


def _only_input(inputs: Sequence[TensorFacts], name: str | None) -> TensorFacts:
    chosen = _choose(inputs, name, "input")
    if len(inputs) > 1:
        raise ModelRejected("input_mismatch", f"the file needs {len(inputs)} inputs ({_names(inputs)}), not one image")
    return chosen


def _choose(tensors: Sequence[TensorFacts], name: str | None, side: str) -> TensorFacts:
    if not tensors:
        raise ModelRejected(f"{side}_mismatch", f"the file has no {side}")
    if name is None:
        if len(tensors) > 1:
            raise ModelRejected(f"{side}_mismatch", f"the file has several {side}s; name one of {_names(tensors)}")
        return tensors[0]
    for tensor in tensors:
        if tensor.name == name:
            return tensor
    raise ModelRejected(f"{side}_mismatch", f"the file has no {side} {name!r}; it has {_names(tensors)}")


def _check_input(tensor: TensorFacts, wanted: ManifestInput) -> int | None:
    """Return the batch size if the file fixes it."""
    if tensor.dtype != wanted.dtype:
        raise ModelRejected(
            "input_mismatch", f"input {tensor.name!r} takes {tensor.dtype or 'another type'}, not {wanted.dtype}"
        )
    if tensor.shape is None:
        return None
    expected = input_shape(wanted)
    fits = len(tensor.shape) == 4 and all(
        size is None or size == want for size, want in zip(tensor.shape[1:], expected, strict=True)
    )
    if not fits:
        raise ModelRejected(
            "input_mismatch",
            f"input {tensor.name!r} has the shape {shown(tensor.shape or ())}; the manifest says {wanted.layout},"
            f" (N, {', '.join(map(str, expected))})",
        )
    batch = tensor.shape[0]
    if batch is not None and not 1 <= batch <= MAX_FIXED_BATCH:
        raise ModelRejected("input_mismatch", f"the fixed batch size {batch} is not within 1 and {MAX_FIXED_BATCH}")
    return batch


def _check_output(tensor: TensorFacts, manifest: Manifest, *, fixed_batch: int | None) -> None:
    if tensor.dtype not in _OUTPUT_TYPES:
        raise ModelRejected("output_mismatch", f"output {tensor.name!r} gives {tensor.dtype or 'no numbers'}")
    if tensor.shape is None:
        return
    wanted = manifest.output_shape
    must_be = f"it must be {shown((None, *wanted))}"
    if len(tensor.shape) != 1 + len(wanted):
        raise ModelRejected("output_mismatch", f"output {tensor.name!r} has the shape {shown(tensor.shape)}; {must_be}")
    batch, *sizes = tensor.shape
    if batch is not None and batch != fixed_batch:
        raise ModelRejected(
            "output_mismatch",
            f"output {tensor.name!r} has the shape {shown(tensor.shape)} for a batch of {fixed_batch or 'any size'};"
            f" {must_be}",
        )
    for size, want in zip(sizes, wanted, strict=True):
        if size is not None and want is not None and size != want:
            raise ModelRejected("labels_mismatch", _other_number(size, want, manifest))


def _other_number(size: int, want: int, manifest: Manifest) -> str:
    if manifest.task == "classification":
        return f"the file gives {size} scores, the manifest names {want} labels"
    meant = "4 and one per label" if manifest.task == "detection" else "one per character and a blank"
    return f"the file gives {size} numbers at a time, the manifest means {want}: {meant}"


def _names(tensors: Sequence[TensorFacts]) -> str:
    return ", ".join(tensor.name for tensor in tensors[:20])


def shown(shape: Sequence[int | None]) -> str:
    """Return a shape for a person; the first size is the batch, None is open."""
    sizes = ("N" if at == 0 and size is None else "?" if size is None else str(size) for at, size in enumerate(shape))
    return f"({', '.join(sizes)})"
