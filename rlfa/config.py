"""`rlfa.toml` to frozen settings, once at start: unknown keys and values out of bounds stop it in one line."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from agents.genome import Genome
from rlfa.errors import ConfigError
from rlfa.free_agency.policies.registry import policy_of
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.hosts.sealed import SealRules
from rlfa.lineup.segments import SegmentError, check, fields_of
from rlfa.metrics.settings import MetricsSettings, TraceSettings
from rlfa.metrics.traces import refuse_without_library
from streams.kafka.settings import KafkaSettings
from streams.spec import StreamSpec, load_spec

DAY_MS = 86_400_000


class Topics(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Names of the topics."""

    transactions: str = "transactions"
    """In: the user's records."""
    labels: str = "labels"
    """In: the truth, days later."""
    decisions: str = "decisions"
    """Out: one per transaction."""
    dead_letters: str = "dead-letters"
    """Out: what could not be read, with a reason."""
    roster_events: str = "roster-events"
    """Out: every entry of the ledger."""
    partitions: Annotated[int, Meta(ge=1, le=10_000)] = 1
    """Partitions of the topics that `rlfa topics create` makes."""
    replication: Annotated[int, Meta(ge=1, le=10)] = 1
    """Copies of each partition that the cluster keeps, for `rlfa topics create`."""


class LaneSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a lane takes its share of the stream."""

    count: Annotated[int, Meta(ge=1, le=1024)] = 1
    """Lanes; partition p belongs to lane p modulo count. More than one want `shards` where the key isn't the only
    entity."""
    batch_max: Annotated[int, Meta(ge=1, le=65_536)] = 2048
    """Transactions in one batch at most."""
    latency_target_ms: Annotated[int, Meta(ge=1, le=60_000)] = 50
    """Batches stay so small that a decision should take no longer, in milliseconds; a lane that is further behind
    takes `batch_max` at once until it has caught up."""
    poll_ms: Annotated[int, Meta(ge=1, le=10_000)] = 20
    """How long a lane waits for the first record of a batch, in milliseconds."""
    delivery: Literal["exactly-once", "at-least-once"] = "exactly-once"
    """Exactly-once: decisions and input offsets are one Kafka transaction, and `read_committed` readers see each
    decision once. At-least-once: decisions come sooner and at less work, and after a crash some come again."""
    commit_interval_ms: Annotated[int, Meta(ge=0, le=60_000)] = 5
    """Milliseconds between commits. Exactly-once: from the begin of a transaction to that of the next one, at least;
    0 begins at once, more makes fewer and larger transactions. At-least-once: input offsets are committed so often,
    and so much is decided again after a crash."""
    producers: Annotated[int, Meta(ge=1, le=8)] = 3
    """Transactional producers in turn, with exactly-once: a broker may still be closing one's last transaction."""
    commit_timeout_s: Annotated[float, Meta(gt=0, le=300)] = 10.0
    """After so many seconds without an answer a commit counts as of unknown outcome."""
    turn_limit_s: Annotated[float, Meta(gt=1, le=3600)] = 60.0
    """A turn that takes longer ends the lane's process; Ray starts it again."""
    snapshot_every_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    """Seconds between snapshots of the feature state."""
    labels_waiting_max: Annotated[int, Meta(ge=1, le=100_000_000)] = 1_000_000
    """Labels held until event time reaches them; above it a lane stops reading labels for a while."""
    labels_waiting_mib: Annotated[int, Meta(ge=1, le=1_048_576)] = 1024
    """The same bound in memory, in MiB; the lower of both holds."""
    threads: Annotated[int, Meta(ge=1, le=256)] = 1
    """Threads for scoring in each lane."""
    shards: Annotated[int, Meta(ge=0, le=1024)] = 0
    """Ray actors that keep the windows of all entities but the topic's key, each a share of these by the hash of their
    keys: several lanes need them when the stream has such entities. 0: a lane keeps everything itself."""
    in_order: bool = False
    """Take transactions and labels of all partitions in the order of their records' timestamps, each lane its own and
    the shards those of all lanes: decisions then don't depend on the number of lanes, on batches or on chance. A lane
    waits for records that it knows of, and a shard for the slowest lane."""
    in_order_wait_s: Annotated[float, Meta(gt=0, le=600)] = 5.0
    """How long a shard waits for a lane that brings nothing before it goes on without it, with `in_order`; below
    `shard_wait_s`."""
    shard_wait_s: Annotated[float, Meta(gt=0, le=600)] = 10.0
    """How long a batch waits for a shard before the lane connects anew."""


class HostSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the agents are held."""

    remote_slots: tuple[str, ...] = ()
    """Slots whose agents, and whose probationers, live in a Ray actor of their own; `["*"]` means all."""
    wait_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """How long a batch waits for a remote host, its restart included, before the rest decides without it."""
    gpus: Annotated[float, Meta(ge=0, le=8)] = 0.0
    """GPUs of the remote host."""
    sealed_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 0.5
    """How long a batch waits for a sealed agent, one from outside, before the rest decides without it."""
    sealed_memory_max_mib: Annotated[int, Meta(ge=64, le=65_536)] = 1024
    """Memory that a sealed agent may take on top of what its process starts with, in MiB; one that needs more is ended,
    gives no score and is started again."""
    unsealed: bool = False
    """Hold agents from outside without the kernel's seal: only for machines that have neither Landlock nor seccomp."""

    @property
    def seal_rules(self) -> SealRules:
        """How agents from outside are held."""
        return SealRules(
            timeout_s=self.sealed_timeout_s, memory_max_mib=self.sealed_memory_max_mib, unsealed=self.unsealed
        )


class TrainerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How free agents are trained."""

    threads: Annotated[int, Meta(ge=1, le=256)] = 1
    """Threads of one training."""
    niceness: Annotated[int, Meta(ge=0, le=19)] = 10
    """How far trainings stand behind everything that decides, as the operating system counts it."""
    window_days: Annotated[int, Meta(ge=2, le=3650)] = 28
    """Matured days that a training takes at most, the newest."""
    gate_days: Annotated[int, Meta(ge=1, le=365)] = 2
    """Newest matured days kept from a training, for its comparison with the incumbent."""
    refit: bool = False
    """Train what has passed the offline gate once more, with the gate's days: it then knows the newest fraud, for twice
    the work, and the gate has compared its recipe rather than its weights. Probation and guard judge the weights."""
    concurrent_max: Annotated[int, Meta(ge=1, le=64)] = 1
    """Trainings at once."""
    memory_max_mib: Annotated[int, Meta(ge=64, le=4_194_304)] = 4096
    """Memory that one training may take on top of what its process starts with, in MiB; one that takes more is ended
    and has failed. In a Ray cluster it is also what a training waits for."""
    warm_start: bool = True
    """Train the incumbent's genome twice, from nothing and from the incumbent's weights, and keep what loses less on
    the newest matured days. Trees always start from nothing."""
    deltas: Annotated[int, Meta(ge=0, le=64)] = 0
    """Beside these, leave the incumbent as it is and train so many low-rank changes of its experts on the newest days:
    cheap, and at first it is the incumbent. Kept where it loses less; 0: never."""
    delta_rank: Annotated[int, Meta(ge=1, le=256)] = 4
    """Rank of each of them."""
    delta_days: Annotated[int, Meta(ge=2, le=3650)] = 14
    """Newest matured days that they learn from."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of `rlfa.toml`."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,40}$")] = "rlfa"
    """Of this service: the prefix of its consumer group and transactional ids."""
    stream: str = "stream.toml"
    """The stream spec's file, relative to this one."""
    state: str = ".rlfa/state"
    """Folder for snapshots, journals, the outcome log, agents and the default database, relative to this file."""
    database: str = ""
    """SQLAlchemy URL without a password, e.g. `postgresql://rlfa@db.internal/rlfa`; SQLite in the state folder when
    empty."""
    database_password_env: str = ""
    """Environment variable that holds the database's password."""
    database_password_file: str = ""
    """File that holds the database's password, e.g. a mounted secret."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log line."""
    drain_s: Annotated[float, Meta(gt=0, le=3600)] = 20.0
    """After SIGTERM or SIGINT lanes finish and commit what they have in hand, and the manager its cohort; after so many
    seconds they are ended all the same, and the next start decides what was in hand."""
    kafka: KafkaSettings = KafkaSettings()
    topics: Topics = Topics()
    lanes: LaneSettings = LaneSettings()
    metrics: MetricsSettings = MetricsSettings()
    traces: TraceSettings = TraceSettings()
    hosts: HostSettings = HostSettings()
    trainers: TrainerSettings = TrainerSettings()
    free_agency: FreeAgencyRules = FreeAgencyRules()
    genomes: dict[str, Genome] = {}
    """Families that scouting may try, by name."""
    slots: dict[str, str] = {}
    """Slots of the lineup, each with the family of its first agent."""
    segments: dict[str, str] = {}
    """Slots that play a part of the stream only, each with an expression over the stream's fields, e.g.
    `channel == "ecom" and amount > 100`; a slot that isn't named plays everything, and one at least has to. They
    can't be changed after `rlfa train`."""


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
