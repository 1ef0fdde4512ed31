"""The names of metrics in expressions of Prometheus."""

import re

_NAME = re.compile(r"\b(?:sightline|rabbitmq|haproxy)_[a-z_]+|\bup\b")
_TEXT = re.compile(r'"[^"]*"')


def metric_names(expression: str) -> set[str]:
    """Return the names that an expression reads."""
    return set(_NAME.findall(_TEXT.sub("", expression)))
