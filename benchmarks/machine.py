"""What the figures were measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from services.inference.processors import count_processors

_PACKAGES = ("onnxruntime", "opencv-python-headless", "numpy", "fastapi", "uvicorn", "pydantic")


def describe() -> dict[str, Any]:
    """Return processor, memory and the versions that matter. `load_before` above 0.5 spoils the figures."""
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "processors": count_processors(),
        "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1024**2, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "load_before": round(os.getloadavg()[0], 2),
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "0"
