"""The picture of growth has a panel for each part that was measured, and lines where the figures are."""

from pathlib import Path

from PIL import Image

from benchmarks.growth import chart, picture
from benchmarks.growth.chart import Line, Panel


def test_a_line_is_drawn_from_its_first_to_its_last_point(tmp_path: Path) -> None:
    path = tmp_path / "line.png"
    chart.draw(
        [Panel(title="t", x_name="x", lines=[Line("one", [(1, 0.0), (10, 5.0), (100, 10.0)])], by_tens=True)], path
    )
    with Image.open(path) as drawn:
        blue = [
            (x, y)
            for x in range(drawn.width)
            for y in range(drawn.height)
            if drawn.getpixel((x, y)) == (0x2F, 0x6F, 0xB0)
        ]
    left, right = min(blue), max(blue)
    assert right[0] - left[0] > drawn.width / 4
    assert left[1] > right[1]  # it grows


def test_every_part_has_its_panels(tmp_path: Path) -> None:
    waiting = [{"waiting": n, "submit_ms": 5.0, "lookup_ms": 1.0, "answers_per_s": 500.0} for n in (1, 100)]
    memory = [{"queries": n, "resident_mb": {"gateway": 100.0, "result_store": 110.0}} for n in (5000, 50_000)]
    one, both = tmp_path / "one.png", tmp_path / "both.png"
    picture.draw({"waiting": waiting}, one)
    picture.draw({"waiting": waiting, "memory": memory}, both)
    with Image.open(one) as first, Image.open(both) as second:
        assert second.height == 2 * first.height
