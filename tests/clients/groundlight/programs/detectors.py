"""Detectors: made, found, changed, listed, deleted."""

from groundlight import ApiException, Groundlight, NotFoundError

gl = Groundlight()
assert gl.whoami() == "a client program"
assert gl.me().group.name == "default"
assert gl.me().is_superuser is False

metadata = {"site": "Straße 7", "nested": {"numbers": [1, 2.5, None, True]}}
made = gl.create_detector(
    name="doors: all of it",
    query="Is the door open?",
    group_name="entrance",
    confidence_threshold=0.75,
    patience_time=12.5,
    metadata=metadata,
)
assert (made.name, made.query, made.group_name) == ("doors: all of it", "Is the door open?", "entrance")
assert (made.confidence_threshold, made.patience_time, made.metadata) == (0.75, 12.5, metadata)
assert (made.mode, made.mode_configuration, made.status, made.escalation_type) == ("BINARY", None, "ON", "STANDARD")
assert gl.get_detector(made.id) == made == gl.get_detector(made)
assert gl.get_detector_by_name("doors: all of it") == made
same = {"name": made.name, "query": made.query, "confidence_threshold": 0.75}
assert gl.get_or_create_detector(**same, group_name="entrance") == made
try:
    gl.create_detector(name=made.name, query="Another?")
    raise AssertionError("a name was taken twice")
except ApiException as error:
    assert error.status == 409, error
for missing in ("nobody", "det_" + "0" * 27):
    try:
        gl.get_detector_by_name(missing) if missing == "nobody" else gl.get_detector(missing)
        raise AssertionError(f"{missing} was found")
    except NotFoundError:
        pass
for name in ("a&b", "a#b", "50%", "1+1"):
    try:
        gl.create_detector(name=name, query="?")
        raise AssertionError(f"{name} could never be found by its name")
    except ApiException as error:
        assert error.status == 422, error
assert gl.create_detector(name="doors: empty metadata", query="?", metadata={}).metadata == {}

gl.update_detector_confidence_threshold(made, 0.6)
gl.update_detector_status(made, enabled=False)
gl.update_detector_escalation_type(made, "NO_HUMAN_LABELING")
changed = gl.get_detector(made.id)
assert (changed.confidence_threshold, changed.status) == (0.6, "OFF")
assert changed.escalation_type == "NO_HUMAN_LABELING"

binary = gl.create_binary_detector(name="doors: binary", query="?")
assert binary.mode == "BINARY"
several = gl.create_multiclass_detector(name="crates", query="What is it?", class_names=["apple", "pear", "nothing"])
assert several.mode == "MULTI_CLASS"
assert several.mode_configuration["class_names"] == ["apple", "pear", "nothing"]
try:
    gl.create_multiclass_detector(name="one class", query="?", class_names=["only"])
    raise AssertionError("one class is no choice")
except ApiException as error:
    assert error.status == 422, error

for number in range(5):
    gl.create_detector(name=f"page {number}", query="?")
first = gl.list_detectors(page=1, page_size=2)
second = gl.list_detectors(page=2, page_size=2)
assert [one.name for one in (*first.results, *second.results)] == ["page 4", "page 3", "page 2", "page 1"]
assert first.count == second.count >= 8
assert (first.previous, str(first.next)[:7], str(second.previous)[:7]) == (None, "http://", "http://")
assert len(gl.list_detectors(page=1, page_size=1000).results) == first.count

gl.delete_detector(made)
try:
    gl.get_detector(made.id)
    raise AssertionError("a deleted detector was found")
except NotFoundError:
    raise AssertionError("a deleted detector is gone, not unknown") from None
except ApiException as error:
    assert error.status == 410, error
try:
    gl.delete_detector("det_" + "0" * 27)
    raise AssertionError("an unknown detector was deleted")
except NotFoundError:
    pass
again = gl.create_detector(name="doors: all of it", query="The name is free again?")
assert again.id != made.id
