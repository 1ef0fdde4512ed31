"""What becomes of ephemeris once it is there: checked to the end, summed up, then stored or written to a file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from contracts.http.aurorax import SourceInfo
from contracts.http.sources import SourceType
from sightline.client import Client
from sightline.command.failures import NOT_FOUND, USAGE, CommandFailed
from sightline.command.options import open_client
from sightline.command.output import print_facts, progress
from sightline.command.search_refusals import plainly

if TYPE_CHECKING:
    from sightline.ephemeris.footprints import FieldModel
    from sightline.ephemeris.spool import Spool
    from sightline.ephemeris.stretch import Stretch
    from sightline.ephemeris.summary import Summary

_TIMEOUT_S = 60.0
_EXTRAS = {
    "aacgmv2": "aacgm",
    "numpy": "ephemeris",
    "pyarrow": "ephemeris",
    "sgp4": "ephemeris",
    "skyfield": "ephemeris",
    "spacepy": "footprints",
}
_MOST_MINUTES = 10 * 366 * 1440
_PARTS = ("program", "platform", "instrument_type")
_MOST_NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the records go: a source by identifier or by its parts, made of type `create` if there is none."""

    identifier: int | None = None
    parts: tuple[str, ...] = ()
    create: str | None = None
    check: bool = False

    @property
    def column_text(self) -> str | None:
        """What `sightline search ephemeris --csv` calls the source."""
        return "/".join(self.parts) or None

    @property
    def name(self) -> str:
        """What a person calls the source."""
        return "/".join(self.parts) if self.parts else str(self.identifier)


def target_of(source: str | None, create: str | None, *, check: bool) -> Target:
    """Return what the options mean.

    Raises:
        CommandFailed: they do not go together.
    """
    if source is None:
        if not check:
            raise CommandFailed("say --source PROGRAM/PLATFORM/INSTRUMENT, or --check to only look", exit_code=USAGE)
        return Target(check=True)
    parts = tuple(part.strip() for part in source.split("/"))
    if create is not None and create not in get_args(SourceType):
        raise CommandFailed(f"--create is one of {', '.join(get_args(SourceType))}", exit_code=USAGE)
    if len(parts) == 1 and parts[0].isdecimal():
        if create is not None:
            raise CommandFailed("--create takes --source PROGRAM/PLATFORM/INSTRUMENT", exit_code=USAGE)
        return Target(identifier=int(parts[0]), check=check)
    if not 2 <= len(parts) <= 3 or not all(parts) or (create is not None and len(parts) != 3):
        raise CommandFailed("--source is PROGRAM/PLATFORM/INSTRUMENT, or an identifier", exit_code=USAGE)
    return Target(parts=parts, create=create, check=check)


def span_of(start: str, end: str) -> tuple[int, int]:
    """Return the first minute since 1970 and the one behind the last.

    Raises:
        CommandFailed: they are no times, or no span.
    """
    span = _minute(start, "--start"), _minute(end, "--end") + 1
    if not 0 < span[1] - span[0] <= _MOST_MINUTES:
        raise CommandFailed("--end must not lie before --start, nor ten years behind it", exit_code=USAGE)
    return span


def _minute(text: str, option: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f"{option} is a time like 2020-01-01T00:00", exit_code=USAGE) from None
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return int(time.timestamp()) // 60


def field_of(name: str, kp: float) -> "FieldModel | None":
    """Return the model of the field that an option names; None is none."""
    from sightline.ephemeris.footprints import FieldModel

    models = {"igrf": FieldModel(), "t89": FieldModel("T89", kp), "none": None}
    if name.lower() not in models:
        raise CommandFailed("--field is igrf, t89 or none", exit_code=USAGE)
    return models[name.lower()]


@contextmanager
def extras(extra: str | None = None) -> Iterator[None]:
    """Say which extra is missing, in one line: this one, or that which brings the package."""
    try:
        yield
    except ImportError as error:
        package = (error.name or str(error)).partition(".")[0]
        missing = extra or _EXTRAS.get(package, "ephemeris")
        other = ", or say --conjugate igrf" if package == "aacgmv2" else ""
        how = f"install the extra in Sightline's checkout: pip install -e '.[{missing}]'{other}"
        raise CommandFailed(f"{package} is not installed; {how}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Records of one source on their way.

    `facts` are shown with the summary, `metadata` is that of a source that is made, `total` how many records will come
    if that is known.
    """

    stretches: "Iterable[Stretch]"
    target: Target
    name: str
    row_name: str = "line"
    facts: Mapping[str, str]
    most_step: float | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    total: int | None = None


def deliver(deliveries: Iterable[Delivery], *, as_json: bool, url: str | None) -> None:
    """Check everything of all of them, and only then store the first."""
    from sightline.ephemeris.checking import MOST_STEP_DEGREES, Checker
    from sightline.ephemeris.packing import uploads
    from sightline.ephemeris.spool import Spool

    ready = []
    with open_client(url, timeout_s=_TIMEOUT_S) as client, ExitStack() as spools:
        for one in deliveries:
            checker = Checker(one.name, unit=one.row_name, most_step=one.most_step or MOST_STEP_DEGREES)
            source = None if one.target.check else _found(client, one.target)
            spool = spools.enter_context(Spool())
            with _counted(checker.checked(one.stretches), one.total) as checked:
                spool.fill(uploads(checked, file=one.name))
            ready.append((one, source, spool, checker.summary))
        for one, found, spool, summary in ready:
            source = found
            if not one.target.check:
                source = found or _created(client, one.target, one.metadata, spool)
                _store(client, source, spool)
            show(summary, one.facts, source, as_json=as_json)


def named(target: Target, url: str | None) -> Target:
    """Return a source that was not given by all its parts with them, which its data may state."""
    if len(target.parts) == len(_PARTS) or target.check:
        return target
    with open_client(url, timeout_s=_TIMEOUT_S) as client:
        source = _found(client, target)
    return target if source is None else replace(target, parts=tuple(getattr(source, part) for part in _PARTS))


def write_out(one: Delivery, out: Path, *, as_json: bool) -> None:
    """Check everything and write it to a file, which is there only when all was right."""
    from sightline.ephemeris.checking import Checker
    from sightline.ephemeris.writing import written

    checker = Checker(one.name)
    with _counted(written(out, checker.checked(one.stretches)), one.total) as checked:
        for _ in checked:
            pass
    show(checker.summary, {**one.facts, "file": str(out)}, None, as_json=as_json)


@contextmanager
def _counted(stretches: "Iterable[Stretch]", total: int | None) -> "Iterator[Iterator[Stretch]]":
    """Show how many records went by."""
    with progress() as bar:
        task = bar.add_task("checking", total=total)

        def counted() -> "Iterator[Stretch]":
            for stretch in stretches:
                yield stretch
                bar.advance(task, len(stretch))

        yield counted()


def existing(client: Client, source: str) -> SourceInfo:
    """Return the source that an option names, which must be there.

    Raises:
        CommandFailed: it names none, or several.
    """
    target = target_of(source, None, check=False)
    found = _matching(client, target)
    if found is None:
        rule = f"there is no data source {target.name}; {_others(client, target)}"
        raise CommandFailed(rule, exit_code=NOT_FOUND)
    return found


def _found(client: Client, target: Target) -> SourceInfo | None:
    """Return the source, or None when it is to be made."""
    found = _matching(client, target)
    if found is None and target.create is None:
        rule = f"make it with --create TYPE, or name another; {_others(client, target)}"
        raise CommandFailed(f"there is no data source {target.name}: {rule}", exit_code=NOT_FOUND)
    return found


def _others(client: Client, target: Target) -> str:
    """Return how to find the name that was meant."""
    names = dict[str, list[str]]()  # by what was given of them: a missing instrument makes no name less like
    for source in client.data_sources() if target.parts else ():
        parts = [getattr(source, part) for part in _PARTS]
        names.setdefault("/".join(parts[: len(target.parts)]).lower(), []).append("/".join(parts))
    close = get_close_matches(target.name.lower(), names, n=_MOST_NAMES)
    found = [name for text in close for name in names[text]][:_MOST_NAMES]
    told = f"like it: {', '.join(found)}; " if found else ""
    return f"{told}sightline search sources lists all"


def _matching(client: Client, target: Target) -> SourceInfo | None:
    if target.identifier is not None:
        found = [source for source in client.data_sources() if source.identifier == target.identifier]
    else:
        found = list(client.data_sources(**dict(zip(_PARTS, target.parts, strict=False))))
    if len(found) > 1:
        names = ", ".join(f"{source.identifier} ({source.instrument_type})" for source in found)
        raise CommandFailed(f"{target.name} is several data sources: {names}", exit_code=USAGE)
    return found[0] if found else None


def _created(client: Client, target: Target, metadata: Mapping[str, object], spool: "Spool") -> SourceInfo:
    program, platform, instrument = target.parts
    with plainly():
        return client.create_data_source(
            program=program,
            platform=platform,
            instrument_type=instrument,
            source_type=target.create or "",
            display_name=f"{program} {platform}"[:50],
            metadata=dict(metadata),
            ephemeris_metadata_schema=[
                {"field_name": key, "description": "", "data_type": kind} for key, kind in spool.keys.items()
            ],
        )


def _store(client: Client, source: SourceInfo, spool: "Spool") -> None:
    with progress() as bar:
        task = bar.add_task("storing days", total=spool.days)
        for upload in spool:
            client.put_ephemeris(source.identifier, upload)
            bar.advance(task, len(upload.days))


def show(summary: "Summary", facts: Mapping[str, str], source: SourceInfo | None, *, as_json: bool) -> None:
    """Say what it was: as facts for a person, or as one JSON document."""
    from sightline.ephemeris.summary import time_of

    places: dict[str, tuple[float, ...]] = {
        place: tuple(round(edge, 3) for edge in found) for place, found in summary.ranges.items()
    }
    shown: dict[str, object] = {
        "source": None if source is None else source.identifier,
        "stored": source is not None,
        "records": summary.rows,
        "first": time_of(summary.first),
        "last": time_of(summary.last),
        "step minutes": summary.step,
        "gaps": summary.gaps,
        "repeated": summary.repeated,
        **facts,
        **places,
    }
    if as_json:
        print(json.dumps({key.replace(" ", "_"): value for key, value in shown.items()}))
        return
    texts = {**shown, "source": "" if source is None else f"{source.identifier} {source.display_name}"}
    for place, (south, north, west, east) in places.items():
        texts[place] = f"latitude {south:g} to {north:g}, longitude {west:g} to {east:g}"
    texts["stored"] = "yes" if source is not None else "no, only checked"
    print_facts((key, str(value)) for key, value in texts.items() if value != "")
