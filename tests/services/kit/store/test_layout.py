import pytest

from services.kit.errors import Undecodable, UnknownVersion
from services.kit.store.documents import LAYOUT
from services.kit.store.layout import LIFTS, lift
from tests.support.documents import make_answer, make_document


def test_every_layout_up_to_the_present_one_can_be_read() -> None:
    assert sorted(LIFTS) == list(range(1, LAYOUT + 1))


def test_what_this_version_writes_is_read_back() -> None:
    document = make_document(answer=make_answer(), metadata_json='{"a": 1}')
    assert lift(document.model_dump(mode="json")) == document


def test_a_field_that_this_version_does_not_know_is_passed_over() -> None:
    document = make_document()
    assert lift({**document.model_dump(mode="json"), "colour": "red"}) == document


def test_a_newer_layout_says_that_a_newer_version_wrote_it() -> None:
    document = make_document()
    with pytest.raises(UnknownVersion, match=f"{document.id}.*layout {LAYOUT + 1}.*newer version") as caught:
        lift({**document.model_dump(mode="json"), "layout": LAYOUT + 1, "state": "dreaming"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layout", [0, -1, "1", None, 1.5])
def test_a_layout_that_never_was_is_damage(layout: object) -> None:
    with pytest.raises(Undecodable, match="layout"):
        lift({**make_document().model_dump(mode="json"), "layout": layout})


def test_damage_is_told_by_its_place_and_never_by_its_value() -> None:
    damaged = {
        **make_document(metadata_json='"private"').model_dump(mode="json"),
        "state": "dreaming",
        "revision": None,
    }
    with pytest.raises(Undecodable, match="state") as caught:
        lift(damaged)
    assert "revision" in str(caught.value)
    assert "dreaming" not in str(caught.value)
    assert "private" not in str(caught.value)
