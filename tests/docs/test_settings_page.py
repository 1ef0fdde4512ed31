"""docs/settings.md is the table of services/kit/settings.py, no row more or less."""

import re
from pathlib import Path

from pydantic_core import PydanticUndefined

from services.kit.settings import CLIENT_SETTINGS, PREFIX, Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
_ROW = re.compile(r"^\| `(SIGHTLINE_[A-Z_]+)` \| (.*) \| (.*) \|$", re.MULTILINE)


def shown_default(name: str) -> str:
    """Return the default as the page shows it."""
    value = Settings.model_fields[name].default
    assert value is not PydanticUndefined
    if value is None or value in ("", ()):
        return ""
    text = ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text}`"


def test_the_page_has_every_setting_with_its_default_and_description() -> None:
    rows = {name: (default, text) for name, default, text in _ROW.findall(PAGE.read_text(encoding="utf-8"))}
    services = {name: row for name, row in rows.items() if name not in CLIENT_SETTINGS}
    expected = {
        PREFIX + name.upper(): (shown_default(name), field.description) for name, field in Settings.model_fields.items()
    }
    assert services == expected
    assert set(rows) >= CLIENT_SETTINGS
