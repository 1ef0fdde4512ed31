"""Dashboard and alerts name only metrics that there are; tests/e2e/test_containers.py asks a real Prometheus."""

import json
import re
from typing import Any

import yaml

from contracts.topics import QUEUES
from services.kit.bus.rabbit.topology import parking_name
from services.kit.metrics import Metrics
from tests.support.promql import metric_names
from tests.support.server import ROOT

DASHBOARD = json.loads((ROOT / "infra/compose/grafana/sightline.json").read_text())
ALERTS = yaml.safe_load((ROOT / "infra/compose/alerts.yml").read_text())


def shown() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


def alerts() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def ours() -> set[str]:
    """Every name that our services expose, those of histograms and counters as they are scraped."""
    ends = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    return {family.name + end for family in Metrics().registry.collect() for end in ends[family.type]}


def test_every_metric_of_ours_that_is_named_is_there() -> None:
    named = {
        name for expression in (*shown(), *(rule["expr"] for rule in alerts())) for name in metric_names(expression)
    }
    assert {name for name in named if name.startswith("sightline_")} <= ours()
    assert named - ours() == {
        "up",
        "rabbitmq_queue_messages_ready",
        "rabbitmq_queue_consumers",
        "rabbitmq_alarms_memory_used_watermark",
        "rabbitmq_alarms_free_disk_space_watermark",
    }


def test_the_dashboard_shows_every_metric_of_ours() -> None:
    read = {name for expression in shown() for name in metric_names(expression)}
    families = {family.name for family in Metrics().registry.collect()}
    assert {family for family in families if not any(name.startswith(family) for name in read)} == set()


def test_every_alert_says_what_how_urgent_and_has_its_row_in_the_documentation() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    for rule in alerts():
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert f"| `{rule['alert']}` |" in page
    assert page.count("| `Sightline") == len(alerts())


def test_no_alert_waits_for_a_second_event() -> None:
    """A counter's row is born with its first event, and over a row's first value `increase` and `delta` are 0."""
    assert [rule["alert"] for rule in alerts() if any(name in rule["expr"] for name in ("increase(", "delta("))] == []


def test_messages_that_wait_for_a_person_are_alerted_on_for_as_long_as_they_wait() -> None:
    expressions = {rule["alert"]: rule["expr"] for rule in alerts()}
    assert expressions["SightlineDeadLetters"] == "max by (reason) (sightline_dead_letters_kept) > 0"
    parked = re.search(r'rabbitmq_queue_messages_ready\{queue=~"([^"]+)"\}\) > 0', expressions["SightlineParked"])
    assert parked is not None
    for queue in QUEUES.values():
        assert re.fullmatch(parked[1], parking_name(queue.queue_name()))
        assert not re.fullmatch(parked[1], queue.queue_name())


def test_every_metric_has_its_row_in_the_documentation() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    for family in Metrics().registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = sorted({label for metric in (family,) for label in _labels(metric.name)})
        row = f"| `{name}{{{','.join(labels)}}}` |" if labels else f"| `{name}` |"
        assert row in page, row
    assert page.count("| `sightline_") == len(list(Metrics().registry.collect()))


def _labels(family: str) -> tuple[str, ...]:
    every = vars(Metrics()).values()
    return next(tuple(each._labelnames) for each in every if getattr(each, "_name", "") == family)
