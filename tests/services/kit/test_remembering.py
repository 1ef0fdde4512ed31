"""What is remembered of the store: read again when it is old, and counted on while the store hangs."""

import asyncio

import pytest

from services.kit.errors import Unavailable
from services.kit.remembering import Remembering
from tests.support.until import until


class Source:
    """Values that are read when the test lets them."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {"a": 1}
        self.reads = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def read(self, key: str) -> int | None:
        self.reads += 1
        await self.go_on.wait()
        if self.values.get(key) == 0:
            raise Unavailable("away")
        return self.values.get(key)


@pytest.fixture
def source() -> Source:
    return Source()


async def test_what_is_fresh_is_not_read_again_and_what_is_old_is(source: Source) -> None:
    fresh, old = Remembering(source.read, fresh_s=60), Remembering(source.read, fresh_s=0)
    assert [await fresh.get("a") for _ in range(3)] == [1, 1, 1]
    assert source.reads == 1
    assert await old.get("a") == 1
    source.values["a"] = 2
    assert await old.get("a") == 2


@pytest.mark.parametrize(("missing", "reads"), [(False, 2), (True, 1)])
async def test_that_there_is_nothing_is_remembered_where_it_is_to_be(
    source: Source, *, missing: bool, reads: int
) -> None:
    remembering = Remembering(source.read, fresh_s=60, missing=missing)
    assert [await remembering.get("b") for _ in range(2)] == [None, None]
    assert source.reads == reads


async def test_while_the_source_is_away_what_was_remembered_counts(source: Source) -> None:
    remembering = Remembering(source.read, fresh_s=0)
    assert await remembering.get("a") == 1
    source.values["a"] = 0
    assert await remembering.get("a") == 1
    remembering.drop("a")
    with pytest.raises(Unavailable, match="away"):
        await remembering.get("a")


async def test_while_it_hangs_one_read_is_under_way_for_all_and_its_end_is_remembered(source: Source) -> None:
    remembering = Remembering(source.read, fresh_s=0)
    assert await remembering.get("a") == 1
    source.go_on.clear()
    source.values["a"] = 2
    assert await asyncio.gather(*(remembering.get("a") for _ in range(5))) == [1] * 5
    assert await remembering.get("a") == 1  # at once: it has waited long enough
    assert source.reads == 2
    reading = asyncio.create_task(remembering.get("a"))
    source.go_on.set()
    assert await reading in {1, 2}
    source.values["a"] = 0
    assert await remembering.get("a") == 2


async def test_what_hangs_and_is_not_remembered_is_away(source: Source) -> None:
    source.go_on.clear()
    with pytest.raises(Unavailable, match="in time"):
        await Remembering(source.read).get("a")


async def test_a_read_that_began_before_a_change_is_not_remembered(source: Source) -> None:
    remembering = Remembering(source.read, fresh_s=0)
    assert await remembering.get("a") == 1
    source.go_on.clear()
    reading = asyncio.create_task(remembering.get("a"))
    await until(lambda: source.reads == 2)
    remembering.drop("a")
    source.go_on.set()
    assert await reading == 1
    source.values["a"] = 0
    with pytest.raises(Unavailable):
        await remembering.get("a")
