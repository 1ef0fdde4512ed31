"""The table of kinds and the contracts agree."""

from typing import get_args

from contracts.ids import new_id
from contracts.kinds import KINDS, KindName, kind_of
from contracts.topics import BY_MODEL, FACTS
from services.kit.store.documents import Submitted
from tests.support.documents import NOW


def test_every_kind_has_its_row_its_question_and_an_id_of_its_own() -> None:
    assert tuple(kind.name for kind in KINDS) == get_args(KindName)
    assert {kind.submitted for kind in KINDS} == set(get_args(Submitted))
    assert [kind_of(new_id(kind.id_prefix, NOW)) for kind in KINDS] == list(KINDS)
    assert kind_of(new_id("evt", NOW)) is None


def test_a_kinds_question_is_recorded_and_worked_where_its_row_says() -> None:
    for kind in KINDS:
        topic = BY_MODEL[kind.submitted]
        assert topic.type == f"{kind.name}.submitted"
        assert FACTS in topic.queues
        assert set(topic.queues) - {FACTS} <= set(kind.work)
        assert len({queue.service for queue in kind.work}) == 1
