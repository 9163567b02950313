"""Every series that `/metrics` has: name, type, labels, meaning. What isn't here isn't served."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Series(NamedTuple):
    """One metric; names and units by Prometheus' conventions."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str


SERIES = (
    Series("rlfa_build_info", "gauge", ("version",), "Always 1; the version that runs."),
    Series(
        "rlfa_up",
        "gauge",
        ("process",),
        "1 where a lane, a shard, the manager or a remote host answered the last look.",
    ),
    Series("rlfa_broker_up", "gauge", (), "1 where the broker answered the last look."),
    Series("rlfa_ready", "gauge", (), "1 while `/readyz` says so."),
    Series("rlfa_restarts_total", "counter", ("process", "reason"), "Processes that came back: `watchdog`, or `died`."),
    Series("rlfa_process_resident_bytes", "gauge", ("process",), "Memory of a process."),
    Series("rlfa_process_cpu_seconds_total", "counter", ("process",), "Processor time of a process."),
    Series("rlfa_process_open_files", "gauge", ("process",), "File handles of a process, sockets included."),
    Series(
        "rlfa_log_keys_dropped_total",
        "counter",
        ("process",),
        "Keys left out of log lines since nobody has vouched that they name no person: a bug of ours.",
    ),
    Series(
        "rlfa_lag_records",
        "gauge",
        ("topic", "partition"),
        "Records between what is decided and committed and the end that a `read_committed` reader sees; transaction "
        "markers between them count too, those at the end don't.",
    ),
    Series("rlfa_lag_seconds", "gauge", ("topic", "partition"), "Since there was something to do for a partition."),
    Series(
        "rlfa_unfinished_records",
        "gauge",
        ("topic", "partition"),
        "Offsets behind that end, in transactions of whoever writes the topic: one that stays hangs.",
    ),
    Series("rlfa_decisions_total", "counter", ("lane", "action"), "Committed decisions: the throughput is its rate."),
    Series("rlfa_degraded_decisions_total", "counter", ("lane",), "Decisions that some slot's vote is missing from."),
    Series("rlfa_over_budget_decisions_total", "counter", ("lane",), "Approved for the alert budget's sake."),
    Series("rlfa_labels_total", "counter", ("lane",), "Labels taken in."),
    Series("rlfa_dead_letters_total", "counter", ("lane", "reason"), "Records that can't be read, by reason."),
    Series(
        "rlfa_stage_seconds",
        "histogram",
        ("lane", "stage"),
        "Time of a batch in each stage: consume (the wait for its first record included), decode, features, score, "
        "decide, reasons, journal, encode, produce, commit.",
    ),
    Series(
        "rlfa_end_to_end_seconds",
        "histogram",
        ("lane",),
        "From the broker's timestamp of a record to the commit of its decision, or of its dead letter; 64 records of a "
        "batch are looked at, each stands for its neighbours.",
    ),
    Series(
        "rlfa_host_batches_total",
        "counter",
        ("lane", "host", "reason"),
        "Batches that a host was sent: `full`, it held all that a batch may; `target`, all that it may for the sake of "
        "latency; `drained`, all that was there.",
    ),
    Series(
        "rlfa_host_wait_seconds",
        "histogram",
        ("lane", "host"),
        "How long a batch waited, once it was read, for its host to score it, less the scoring.",
    ),
    Series("rlfa_host_batch_rows", "histogram", ("lane", "host"), "Transactions in a batch."),
    Series("rlfa_host_unanswered_total", "counter", ("lane", "host"), "Batches decided without a host's agents."),
    Series("rlfa_rule_suspensions_total", "counter", ("lane", "rule"), "Days on which a rule declined all it may."),
    Series("rlfa_recoveries_total", "counter", ("lane",), "Clients made anew, the first ones included."),
    Series("rlfa_reconnects_total", "counter", ("lane", "error"), "Clients given up, by the error."),
    Series("rlfa_lane_recovered", "gauge", ("lane",), "0 while a lane connects or recovers."),
    Series("rlfa_lane_turn_seconds", "gauge", ("lane",), "How long a lane is at its present batch or poll."),
    Series("rlfa_lane_epoch", "gauge", ("lane",), "The lineup that a lane plays."),
    Series("rlfa_event_time_seconds", "gauge", ("lane",), "Event time that is decided, Unix time."),
    Series("rlfa_labels_waiting", "gauge", ("lane",), "Labels that event time hasn't reached."),
    Series("rlfa_state_bytes", "gauge", ("process",), "Memory of the features that a lane or a shard keeps."),
    Series("rlfa_alerts_raised", "gauge", ("lane",), "Alerts on the newest day of event time."),
    Series("rlfa_alert_budget", "gauge", (), "Alerts a day that the settings ask for, all lanes together."),
    Series("rlfa_epoch", "gauge", (), "The manager's newest lineup."),
    Series("rlfa_cohort_seconds", "gauge", (), "End of the newest day that the manager has judged, Unix time."),
    Series("rlfa_trainings_in_progress", "gauge", (), "Trainings under way or waiting."),
    Series(
        "rlfa_ledger_entries_total",
        "counter",
        ("kind",),
        "Moves of free agency, by the ledger's kinds: swaps are `Promoted` and `Renewed`, a guard or limit that failed "
        "is `RolledBack`.",
    ),
    Series("rlfa_store_up", "gauge", (), "0 while the manager waits for the store."),
    Series("rlfa_manager_waits_total", "counter", ("reason",), "Times that the manager waits: for `store`, `broker`."),
    Series(
        "rlfa_probation_log_e",
        "gauge",
        ("slot", "agent", "stage"),
        "Natural logarithm of a challenger's e-value for being better than the incumbent.",
    ),
    Series("rlfa_probation_log_bound", "gauge", ("slot", "agent"), "Where it is promoted."),
    Series("rlfa_probation_frauds", "gauge", ("slot", "agent"), "Frauds that a challenger was compared on."),
    Series(
        "rlfa_guard_log_sr",
        "gauge",
        ("slot", "agent"),
        "Natural logarithm of the alarm over a newcomer after its swap.",
    ),
    Series("rlfa_guard_log_bound", "gauge", ("slot", "agent"), "Where it is rolled back."),
    Series("rlfa_slot_weight", "gauge", ("slot",), "Of a slot's vote in the lineup's score."),
    Series("rlfa_slot_standing", "gauge", ("slot", "standing"), "1 for where its incumbent stands: ok, watch, under."),
)
