"""Every setting of every service: one table, read once at start, passed down as values.

A setting `xyz` is the environment variable `SIGHTLINE_XYZ`, or the content of the file that `SIGHTLINE_XYZ_FILE`
names. An unknown `SIGHTLINE_` variable is an error: a misspelt setting would be silently without effect.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AnyHttpUrl, Field, SecretStr, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from contracts.base import Name
from contracts.v1.image_query import MAX_IMAGE_BYTES
from services.kit.crash import CrashPoint
from services.kit.errors import ConfigError

PREFIX = "SIGHTLINE_"
CLIENT_SETTINGS = frozenset({"SIGHTLINE_URL", "SIGHTLINE_TOKEN"})
"""Read by the client and the command, not by services."""
TEST_PREFIX = "SIGHTLINE_TEST_"
DefaultModel = Annotated[
    str, StringConstraints(pattern=r"^(\*|binary|multiclass|count|bounding_box|text):[^=,]{1,200}=[^=,]{1,200}$")
]
"""The mode or `*`, a shell pattern of names, and the model."""


class Settings(BaseSettings):
    """The settings, with their defaults. Sizes in bytes, times in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    # Where things are
    data: Path = Field(Path("sightline-data"), description="Folder of the embedded adapters and of generated secrets.")
    bus: str = Field(
        "",
        description="Address of the bus: `amqps://user:password@host/vhost`, with commas between the hosts of a "
        "cluster; `memory://` forgets at exit; empty means sqlite in `data`.",
    )
    bus_ca_file: Path | None = Field(
        None, description="Certificates that an `amqps://` bus is trusted by; unset means the system's."
    )
    queue_limit_bytes: Annotated[int, Field(ge=1024**2)] = Field(
        4 * 1024**3, description="Most that lies in one queue of RabbitMQ, fixed when the queue is first declared."
    )
    store: str = Field("", description="Address of the store; empty means sqlite in `data`.")
    store_ca_file: Path | None = Field(
        None, description="Certificates that a `mongodb://` store is trusted by; given, the connection is encrypted."
    )
    mongodb_driver: Literal["motor", "pymongo"] = Field(
        "motor", description="Driver of a `mongodb://` store; `pymongo` is PyMongo's own asynchronous client."
    )

    # HTTP
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8470, description="Port to listen on; 0 takes a free one.")
    public_url: AnyHttpUrl | None = Field(None, description="Origin that clients use, for absolute links.")
    max_wait_s: Annotated[float, Field(gt=0, le=300)] = Field(
        60.0, description="Longest wait for a result in one request."
    )
    max_waiters: Annotated[int, Field(ge=1)] = Field(
        2000, description="Most requests that wait at once; further ones get 503."
    )
    drain_s: Annotated[float, Field(ge=0)] = Field(20.0, description="Time to finish work in hand after SIGTERM.")

    # Faults
    breaker_failures: Annotated[int, Field(ge=1)] = Field(
        20, description="A consumer takes nothing more after so many failures of ours in a row, until one succeeds."
    )
    crash_at: CrashPoint | None = Field(
        None, description="For tests and drills: the process kills itself at this point. Only from the environment."
    )

    # Access
    anonymous_tenant: str | None = Field(
        None,
        description="Tenant of calls without a token; empty refuses them. Unset: `default` on loopback, unless "
        "`public_url` says that others come by a proxy; else refused.",
    )
    token_pepper: SecretStr | None = Field(
        None, description="Key of the token hashes; unset means one generated in `data`."
    )

    # Logs
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object per line, or lines for people.")

    # Queries
    retention_days: Annotated[float, Field(gt=0)] = Field(
        30.0, description="Queries and images are removed after this; labelled ones are kept."
    )
    claim_hours: Annotated[float, Field(gt=0)] = Field(48.0, description="How long an idempotency key is remembered.")
    inline_image_bytes: Annotated[int, Field(ge=0, le=MAX_IMAGE_BYTES)] = Field(
        64 * 1024, description="Images up to this travel inside the message, larger ones by reference."
    )
    image_max_pixels: Annotated[int, Field(ge=1)] = Field(
        50_000_000, description="Most pixels of an image, checked before it is decoded."
    )
    sweep_interval_s: Annotated[float, Field(gt=0)] = Field(
        30.0, description="How often overtaken, expired and outdated queries are looked for."
    )
    sweep_after_s: Annotated[float, Field(gt=0)] = Field(
        120.0, description="How long a query stays unanswered before it counts as overtaken."
    )
    sweep_tries: Annotated[int, Field(ge=1)] = Field(
        5, description="How often an overtaken query is published again before it fails as `lost`."
    )

    default_models: Annotated[tuple[DefaultModel, ...], NoDecode] = Field(
        (),
        description="Models of new detectors that name none: `MODE:NAME_PATTERN=MODEL`, separated by commas; the first "
        "that matches and fits is bound, e.g. `binary:door*=door,multiclass:*=crates`.",
    )
    ask_wait_s: Annotated[float, Field(ge=0, le=9)] = Field(
        5.0, description="How long a synchronous ask of a Groundlight client is held for a model's answer."
    )
    dead_letter_days: Annotated[float, Field(gt=0)] = Field(
        30.0, description="Messages that were given up are removed after this."
    )
    operator_tenant: Name = Field(
        "default",
        description="Tenant whose admins see every dead letter, also those of other tenants and of none.",
    )

    # Inference
    lanes: Annotated[tuple[Name, ...], NoDecode] = Field(
        ("default",), description="Lanes that this inference process works on, separated by commas."
    )
    batch_size: Annotated[int, Field(ge=1, le=64)] = Field(
        48, description="Most questions worked on together; fewer are taken where a model is slow."
    )
    inference_provider: Literal["cpu", "cuda"] = Field(
        "cpu",
        description="What runs the models; `cuda` needs an NVIDIA GPU and the extra `inference-gpu`: "
        "see production.md.",
    )
    inference_threads: Annotated[int, Field(ge=0)] = Field(
        0, description="Threads inside one run of a model; 0 means 1. As many runs at once as fit the processors."
    )
    decode_threads: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Most child processes that decode images; another starts when images wait and those that there are "
        "work most of the time. 0 means one per processor.",
    )
    model_max_bytes: Annotated[int, Field(ge=1)] = Field(512 * 1024 * 1024, description="Largest model file.")
    model_memory_bytes: Annotated[int, Field(ge=1)] = Field(
        1024**3,
        description="Memory for the models that an inference process keeps loaded; those used least recently make "
        "room. A model counts as twice its file and 4 MiB.",
    )
    model_check_s: Annotated[float, Field(gt=0)] = Field(
        60.0, description="Longest trial run of an uploaded model, and of any model in a process of its own."
    )
    model_check_memory_bytes: Annotated[int, Field(ge=1)] = Field(
        2 * 1024**3, description="Memory that a model may use in its trial run, and in a process of its own."
    )

    # Searches
    search_parts_at_once: Annotated[int, Field(ge=1, le=1000)] = Field(
        2,
        description="Parts of one search that wait or are worked at a time; twice the number of search processes keeps "
        "them all busy.",
    )
    search_part_days: Annotated[int, Field(ge=1, le=366)] = Field(
        14, description="Days in one part of a conjunction search."
    )

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: Any) -> Any:
        if isinstance(values, dict):
            lists = {name: values[name] for name in ("lanes", "default_models") if isinstance(values.get(name), str)}
            values = values | {name: tuple(filter(None, map(str.strip, t.split(",")))) for name, t in lists.items()}
        return values

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        _check_scheme("bus", self.bus_url, ("memory", "sqlite", "amqp", "amqps"))
        _check_scheme("store", self.store_url, ("sqlite", "mongodb", "mongodb+srv"))
        if not self.lanes:
            raise ValueError("lanes: name at least one lane")
        return self

    @property
    def bus_url(self) -> str:
        """Address of the bus, the default filled in."""
        return self.bus or f"sqlite:///{self.data / 'bus.sqlite'}"

    @property
    def store_url(self) -> str:
        """Address of the store, the default filled in."""
        return self.store or f"sqlite:///{self.data / 'store.sqlite'}"

    @property
    def admitted_tenant(self) -> str | None:
        """Tenant of calls without a token, None when they are refused."""
        if self.anonymous_tenant is not None:
            return self.anonymous_tenant or None
        # A proxy calls from loopback too: behind one, whoever has no token would be everybody, with every right.
        return "default" if is_loopback(self.host) and self.public_url is None else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values given in code only: `load` has read the environment, files included."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def load(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Return the settings from the environment, `given` ones (from the command line) above them.

    Raises:
        ConfigError: an unknown name, an unreadable file, or a value that cannot be; never echoes a value.
    """
    values: dict[str, Any] = {}
    for name, given_text in (os.environ if environment is None else environment).items():
        if not name.startswith(PREFIX) or name in CLIENT_SETTINGS or name.startswith(TEST_PREFIX):
            continue
        key, text = name.removeprefix(PREFIX).lower(), given_text
        if key not in Settings.model_fields and key.removesuffix("_file") in Settings.model_fields:
            key, text = key.removesuffix("_file"), _read(name, text)
        if key not in Settings.model_fields:
            raise ConfigError(f"{name} is not a setting of Sightline; see docs/settings.md for the names")
        if text or key == "anonymous_tenant":  # here an empty value means "nobody", elsewhere "unset"
            values[key] = text
    values.update({name: value for name, value in given.items() if value is not None})
    try:
        return Settings(**values)
    except ValidationError as error:
        problems = (f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors())
        raise ConfigError("; ".join(problems)) from None


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: cannot read that file: {error.__class__.__name__}") from None


def _check_scheme(name: str, url: str, schemes: tuple[str, ...]) -> None:
    if url.split(":", 1)[0] not in schemes:
        raise ValueError(f"{name}: the address must begin with one of {', '.join(s + '://' for s in schemes)}")
