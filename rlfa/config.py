"""`rlfa.toml` and the stream spec to a service, once at start: what is wrong with them stops it in one line."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import msgspec
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from agents.genome import Genome
from rlfa.errors import ConfigError
from rlfa.free_agency.policies.registry import policy_of
from rlfa.lineup.segments import SegmentError, check, fields_of
from rlfa.metrics.traces import refuse_without_library
from rlfa.settings import Settings
from streams.spec import StreamSpec, load_spec


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """Settings with their files read and their paths made absolute: what the service is started with."""

    settings: Settings
    spec: StreamSpec
    root: str

    @property
    def state(self) -> Path:
        """The state folder."""
        return Path(self.root) / self.settings.state

    @property
    def journals(self) -> Path:
        """A journal per lane."""
        return self.state / "journal"

    @property
    def outcomes(self) -> Path:
        """The outcome log."""
        return self.state / "outcomes"

    @property
    def summaries(self) -> Path:
        """Days without their labels."""
        return self.state / "summaries"

    @property
    def agents(self) -> Path:
        """A folder per agent."""
        return self.state / "agents"

    @property
    def lineup_file(self) -> Path:
        """The lineup that a starting lane takes."""
        return self.state / "lineup.json"

    @property
    def database(self) -> str:
        """SQLAlchemy URL, with the password from where the settings say.

        Raises:
            ConfigError: the variable or file isn't there.
        """
        url = self.settings.database or f"sqlite:///{self.state / 'rlfa.db'}"
        secret = database_password(self.settings)
        return make_url(url).set(password=secret).render_as_string(hide_password=False) if secret else url

    def snapshot(self, lane: int) -> Path:
        """Where a lane keeps its feature state."""
        return self.state / "snapshots" / f"lane-{lane}.safetensors"

    def shard_snapshot(self, shard: int) -> Path:
        """Where a shard keeps its windows: with another number of shards each has other entities."""
        count = self.settings.lanes.shards
        return self.state / "snapshots" / f"shard-{shard}-of-{count}.safetensors"


def database_password(settings: Settings) -> str:
    """The database's password from where the settings say; empty for none.

    Raises:
        ConfigError: the variable or file isn't there.
    """
    if settings.database_password_env:
        found = os.environ.get(settings.database_password_env)
        if found is None:
            raise ConfigError("database_password_env", settings.database_password_env, "a variable that is set")
        return found
    if settings.database_password_file:
        try:
            return Path(settings.database_password_file).read_text().strip()
        except OSError as error:
            raise ConfigError("database_password_file", settings.database_password_file, "a readable file") from error
    return ""


def load_service(path: Path) -> Service:
    """Read `rlfa.toml` and the stream spec that it names.

    Raises:
        ConfigError: a key is unknown, a value is out of bounds, a policy or file is missing or unfit.
        streams.errors.StreamsError: the stream spec is wrong.
    """
    settings = parse_settings(_read(path), str(path))
    root = path.resolve().parent
    service = Service(settings=settings, spec=load_spec(root / settings.stream), root=str(root))
    _refuse_unfit_database(settings, path)
    refuse_without_library(settings.traces, str(path))
    policy_of(settings.free_agency)
    _refuse_deltas_of_nobody(settings, path)
    _refuse_unfit_slots(settings, path)
    _refuse_unfit_segments(service, path)
    _refuse_split_entities(service, path)
    _refuse_unknown_clusters(service, path)
    _ensure_writable(service.state, path)
    return service


def parse_settings(text: str, where: str) -> Settings:
    """TOML to settings.

    Raises:
        ConfigError: with the key, what was found and what is allowed.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(where, str(error), "TOML") from error
    try:
        return msgspec.convert(found, Settings)
    except msgspec.ValidationError as error:
        raise _readable(error, found, where) from error


def _readable(error: msgspec.ValidationError, document: object, where: str) -> ConfigError:
    """The validator says what it expected and at which path; our line says key, found, allowed."""
    match = re.match(r"(?P<what>.*?)(?: - at `\$?\.?(?P<path>.*)`)?$", str(error))
    assert match is not None
    key, what = match["path"] or "", match["what"]
    unknown = re.match(r"Object contains unknown field `(?P<name>.*)`", what)
    if unknown:
        key = f"{key}.{unknown['name']}".lstrip(".")
        return ConfigError(f"{where} {key}", _at(document, key), "a key of docs/reference/configuration.md")
    allowed = re.sub(r"^Expected `?(.*?)`?(?:, got .*)?$", r"\1", what).replace("`", "")
    return ConfigError(f"{where} {key}", _at(document, key), allowed)


def _at(document: object, key: str) -> object:
    """What a document has at a dotted path."""
    for part in key.split("."):
        if not isinstance(document, dict) or part not in document:
            return None
        document = document[part]
    return document


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise ConfigError(str(path), error.strerror, "a readable TOML file") from error


def _refuse_unfit_database(settings: Settings, path: Path) -> None:
    """A URL that can be read, without a secret in it: settings are copied, committed and mailed."""
    try:
        url = make_url(settings.database or "sqlite://")
    except ArgumentError as error:
        raise ConfigError(f"{path} database", settings.database, "an SQLAlchemy URL") from error
    if url.password is not None:
        shown = url.render_as_string(hide_password=True)
        raise ConfigError(f"{path} database", shown, "no password; name its variable or its file in another key")
    database_password(settings)


def _refuse_deltas_of_nobody(settings: Settings, path: Path) -> None:
    """Deltas are changes of an incumbent; what starts from nothing has none."""
    for name, genome in settings.genomes.items():
        if genome.deltas:
            raise ConfigError(f"{path} genomes.{name}.deltas", genome.deltas, "0; deltas are set under [trainers]")


def _refuse_unfit_slots(settings: Settings, path: Path) -> None:
    """Each slot names a genome, and no two are equal: they would train the same agent twice."""
    taken: dict[Genome, str] = {}
    for slot, name in settings.slots.items():
        if name not in settings.genomes:
            raise ConfigError(f"{path} slots.{slot}", name, f"one of the genomes {sorted(settings.genomes)}")
        other = taken.setdefault(settings.genomes[name], slot)
        if other != slot:
            raise ConfigError(
                f"{path} slots.{slot}", f"{name}, equal to slots.{other}", "a genome or a seed of its own"
            )


def _refuse_unfit_segments(service: Service, path: Path) -> None:
    """Each belongs to a slot and means something on the stream, and some slot plays what lies in none."""
    slots, fields = service.settings.slots, fields_of(service.spec)
    for slot, segment in service.settings.segments.items():
        if slot not in slots:
            raise ConfigError(f"{path} segments.{slot}", segment, f"a segment of one of the slots {sorted(slots)}")
        try:
            check(segment, fields)
        except SegmentError as error:
            raise ConfigError(f"{path} segments.{slot}", *error.args) from error
    if slots and all(service.settings.segments.get(slot) for slot in slots):
        raise ConfigError(f"{path} segments", sorted(service.settings.segments), "a slot without one, for the rest")


def _refuse_split_entities(service: Service, path: Path) -> None:
    """With several lanes each sees only its partitions: exact for the key, wrong for everything else."""
    lanes, entities = service.settings.lanes, len(service.spec.entities)
    if lanes.count > 1 and entities > 1 and not lanes.shards:
        allowed = "1 while lanes.shards is 0 and the stream has entities besides its key"
        raise ConfigError(f"{path} lanes.count", lanes.count, allowed)
    if lanes.shards and entities == 1:
        raise ConfigError(f"{path} lanes.shards", lanes.shards, "0 where the stream has no entity besides its key")
    if service.spec.windows.decayed and (lanes.count > 1 or lanes.shards):
        found = f"{lanes.count} lanes, {lanes.shards} shards"
        raise ConfigError(f"{path} lanes", found, "1 lane and 0 shards with windows.decayed")
    if lanes.shards and lanes.in_order_wait_s >= lanes.shard_wait_s:
        raise ConfigError(f"{path} lanes.in_order_wait_s", lanes.in_order_wait_s, "less than lanes.shard_wait_s")


def _refuse_unknown_clusters(service: Service, path: Path) -> None:
    """A name that no entity has would make every fraud an observation of its own, and the error bound void."""
    unknown = sorted(set(service.settings.free_agency.probation.cluster_entities) - set(service.spec.entities))
    if unknown:
        allowed = f"entities of the stream: {', '.join(service.spec.entities)}"
        raise ConfigError(f"{path} free_agency.probation.cluster_entities", unknown, allowed)


def _ensure_writable(folder: Path, path: Path) -> None:
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"{path} state", f"{folder} ({error.strerror})", "a folder that can be written") from error
