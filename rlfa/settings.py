"""Every key of `rlfa.toml`, with its bounds and what it means."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from agents.genome import Genome
from rlfa.free_agency.rules import FreeAgencyRules
from rlfa.hosts.sealed import SealRules
from rlfa.metrics.settings import MetricsSettings, TraceSettings
from streams.kafka.settings import KafkaSettings


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
