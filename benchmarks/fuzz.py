"""A million bad messages among good ones, through the broker and a running service.

Random bytes, cut and mutated records, JSON made to hurt (deep nesting, huge numbers, keys twice, bytes that are no
UTF-8), other schemas, times and ids that can't be, and bad labels. Each bad one must be a dead letter, once and with a
reason; each good one must be decided, once; whatever a mutation has left readable must be one of the two. The topics
have one partition, so a message's number is its offset. Good ones alone go before and after, for the throughput.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec

from benchmarks.harness import Report, arguments
from benchmarks.serving.brokers import broker_arguments, broker_of
from benchmarks.serving.service import KEY, Trained, trained
from rlfa.cluster import RunningService, cluster
from rlfa.config import Service
from streams.kafka.audit import read_values
from streams.kafka.producer import Producer

Sample = dict[str, object]
DAY_MS = 86_400_000
STEP_MS = 50  # of event time between messages
CHUNK = 20_000
PER_DAY = 1_500  # of the history
LABEL_SHARE = 0.05  # of the bad messages that are labels
TOO_LARGE_SHARE = 2e-5
DEPTHS = (1, 300, 480, 900, 2_000)
VERY_DEEP, VERY_DEEP_SHARE = 20_000, 0.01  # which makes a record of up to 120 kB
STALLED_S = 120.0
COLUMNS = ("kind", "messages", "dead letters", "decided", "reasons")
encode = msgspec.json.Encoder().encode


def main() -> None:
    parser = arguments("fuzz", __doc__ or "")
    broker_arguments(parser)
    parser.add_argument("--bad", type=int, default=1_000_000)
    parser.add_argument("--good", type=int, default=500_000, help="mixed with the bad ones")
    parser.add_argument("--alone", type=int, default=100_000, help="good ones before and after")
    args = parser.parse_args()
    with TemporaryDirectory() as scratch, broker_of(args, Path(scratch)) as broker:
        begun = trained(Path(scratch) / "trained", broker.bootstrap_servers, args.seed, PER_DAY)
        with cluster(Path(scratch)), begun.started("fuzz", broker.bootstrap_servers, {}) as (service, running):
            pid = _pid(running)
            sent = Sent(begun, service, Random(args.seed))
            _timed(sent, running, args.alone // 5, 0)  # warm-up
            before = _timed(sent, running, args.alone, 0)
            mixed = _timed(sent, running, args.good, args.bad)
            after = _timed(sent, running, args.alone, 0)
            restarts = int(_pid(running) != pid)
            failure = running.failure()
        found = _found(service)
    _report(args, sent, found, args.good / mixed, 2 * args.alone / (before + after), restarts + bool(failure))


def nothing(_rng: Random, _good: Sample) -> bytes:
    """Any bytes, none included."""
    return _rng.randbytes(_rng.choice((0, 1, 7, 60, 400)))


def cut(rng: Random, good: Sample) -> bytes:
    value = encode(good)
    return value[: rng.randrange(1, len(value))]


def mutated(rng: Random, good: Sample) -> bytes:
    """A few bytes changed, put in or taken out: what is left may be a good record, of its own time."""
    value = bytearray(encode(good))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(value))
        value[at : at + rng.choice((0, 1, 1, 5))] = rng.randbytes(rng.choice((0, 1, 1, 3)))
    # A readable record from the future, within `ahead_max`, would make those after it too old: no test of reading.
    return bytes(value) if _event_time(bytes(value)) <= int(str(good["event_time"])) else cut(rng, good)


def of_another_type(rng: Random, good: Sample) -> bytes:
    field_name = rng.choice(("tx_id", "event_time", "amount", "customer_id"))
    return encode(good | {field_name: rng.choice(([], {}, True, ["x"], {"value": 1}))})


def without_a_field(rng: Random, good: Sample) -> bytes:
    gone = rng.choice(("tx_id", "event_time", "amount", "customer_id"))
    return encode({name: value for name, value in good.items() if name != gone})


def nested(rng: Random, _good: Sample) -> bytes:
    depth = _depth(rng)
    return rng.choice((b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth))


def nested_inside(rng: Random, good: Sample) -> bytes:
    """In a field that nobody asked for; with digits, which a card number may be in. How deep is too deep varies."""
    depth = _depth(rng)
    inside = rng.choice((b"1", b'"%d"' % rng.randrange(10**12, 10**19)))
    return _with(good, "note", b"[" * depth + inside + b"]" * depth)


def huge_number(rng: Random, good: Sample) -> bytes:
    name = rng.choice(("amount", "event_time"))
    return _with(good, name, rng.choice((b"1e999", b"9" * 400, b"9" * 5_000, b"-1e300", b"1e30")))


def not_a_number(rng: Random, good: Sample) -> bytes:
    return _with(good, "amount", rng.choice((b"NaN", b"Infinity", b"-Infinity")))


def key_twice(rng: Random, good: Sample) -> bytes:
    return _with(good, rng.choice(("amount", "event_time", "tx_id")), b"[]")  # behind the good value


def bad_utf8(rng: Random, good: Sample) -> bytes:
    broken = rng.choice((b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\\ud800"))
    return _with(good, rng.choice(("tx_id", "customer_id", "category")), b'"a' + broken + b'"')


def other_schema(rng: Random, good: Sample) -> bytes:
    return rng.choice(
        (
            encode({"schema_version": 2, "payload": good}),
            encode({f"{name}_v2": value for name, value in good.items()}),
            encode(list(good.values())),
            encode(encode(good).decode()),
            b"\x00\x00\x00\x00\x07" + encode(good),  # a schema registry's head
        )
    )


def impossible_time(rng: Random, good: Sample) -> bytes:
    now = int(str(good["event_time"]))
    wall = time.time_ns() // 1_000_000
    return encode(good | {"event_time": rng.choice((0, -now, now - 60 * DAY_MS, now + 60 * DAY_MS, wall + DAY_MS))})


def impossible_amount(rng: Random, good: Sample) -> bytes:
    return encode(good | {"amount": rng.choice((-0.01, -1e9, 1e15))})


def empty_id(rng: Random, good: Sample) -> bytes:
    return encode(good | {rng.choice(("tx_id", "customer_id")): ""})


def card_number(rng: Random, good: Sample) -> bytes:
    text = rng.choice(("4111111111111111", "5555 5555 5555 4444", "paid with 4012-8888-8888-1881"))
    return encode(good | {rng.choice(("category", "note")): text})


class _Time(msgspec.Struct):
    event_time: float


KINDS: tuple[Callable[[Random, Sample], bytes], ...] = (
    nothing, cut, mutated, of_another_type, without_a_field, nested, nested_inside, huge_number, not_a_number,
    key_twice, bad_utf8, other_schema, impossible_time, impossible_amount, empty_id, card_number,
)  # fmt: skip
MAYBE = frozenset({"mutated", "nested_inside"})
LABEL_KINDS: tuple[Callable[[Random, Sample], bytes], ...] = (
    nothing, cut, lambda rng, label: encode(label | {"is_fraud": rng.choice((1, "yes", None))}),
    lambda rng, label: _with(label, "event_time", rng.choice((b"9" * 19, b"9" * 30, b"1e30", b"-5", b"null"))),
    lambda _rng, label: _with(label, "note", b"[" * 2_000 + b"]" * 2_000),
    lambda rng, label: _with(label, "tx_id", rng.choice((b"\xff", b'"\\ud800"', b"[]"))),
)  # fmt: skip


def _event_time(value: bytes) -> float:
    """Of a record that can be read; else 0."""
    try:
        return float(msgspec.json.decode(value, type=_Time).event_time)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0.0


def _depth(rng: Random) -> int:
    return VERY_DEEP if rng.random() < VERY_DEEP_SHARE else rng.choice(DEPTHS)


def _with(record: Sample, name: str, value: bytes) -> bytes:
    """A record with one more field at its end, as bytes."""
    return encode(record)[:-1] + b',"%s":%s}' % (name.encode(), value)


@dataclass(slots=True)
class Sent:
    """What was published, in order: the number of a message is its offset.

    Attributes:
        kinds: of each message on the transactions topic.
        labels: how many labels, all of them bad.
    """

    trained: Trained
    service: Service
    rng: Random
    kinds: list[str] = field(default_factory=list)
    labels: int = 0

    def publish(self, good: int, bad: int) -> None:
        """Good and bad messages in random order."""
        topics, producer = self.service.settings.topics, Producer(self.service.settings.kafka)
        left = {True: good, False: bad}
        while total := sum(left.values()):
            is_good = self.rng.random() < left[True] / total
            left[is_good] -= 1
            if not is_good and self.rng.random() < LABEL_SHARE:
                label = {"tx_id": f"g-{len(self.kinds)}", "is_fraud": True, "event_time": self.trained.begins_at}
                producer.produce(topics.labels, b"k", self.rng.choice(LABEL_KINDS)(self.rng, label))
                self.labels += 1
                continue
            kind, key, value = self._next(is_good)
            self.kinds.append(kind)
            producer.produce(topics.transactions, key, value)
            if total % CHUNK == 0:
                producer.flush()
        producer.flush()
        producer.close()

    def _next(self, is_good: bool) -> tuple[str, bytes, bytes]:
        number = len(self.kinds)
        sample = self.trained.samples[number % len(self.trained.samples)]
        record = sample | {"tx_id": f"g-{number}", "event_time": self.trained.begins_at + number * STEP_MS}
        key = str(sample[KEY]).encode()
        if is_good:
            return "good", key, encode(record)
        if self.rng.random() < TOO_LARGE_SHARE:
            return "too_large", key, encode(record | {"note": "x" * 1_100_000})
        kind = self.rng.choice(KINDS)
        return kind.__name__, key, kind(self.rng, record)


@dataclass(slots=True)
class Found:
    """What came out: by offset the reasons of its dead letters, by id how many decisions, and labels' dead letters."""

    reasons: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    decided: Counter[str] = field(default_factory=Counter)
    labels: int = 0


class _Letter(msgspec.Struct, frozen=True):
    topic: str
    offset: int
    reason: str


class _Id(msgspec.Struct, frozen=True):
    tx_id: str


def _pid(running: RunningService) -> int:
    """Of the lane's process: another one if it was ended and started again."""
    import ray  # after `rlfa.cluster`, whose settings Ray reads when it is imported

    return int(ray.get(running.lanes[0].pid.remote()))


def _timed(sent: Sent, running: RunningService, good: int, bad: int) -> float:
    """Seconds from the first message to the last decision."""
    before, began = _done(running), time.perf_counter()
    sent.publish(good, bad)
    last, seen = time.monotonic(), 0
    while (done := _done(running) - before) < good + bad:
        if failure := running.failure():
            raise RuntimeError(failure)
        if done > seen:
            last, seen = time.monotonic(), done
        elif time.monotonic() - last > STALLED_S:
            raise RuntimeError(f"{done} of {good + bad} messages came to something, and no more")
        time.sleep(0.05)
    return time.perf_counter() - began


def _done(running: RunningService) -> int:
    """Messages that have become a decision or a dead letter."""
    return sum(s.decided + sum(s.dead_letters.values()) for s in running.statuses() if s)


def _found(service: Service) -> Found:
    topics, found = service.settings.topics, Found()
    letters, ids = msgspec.json.Decoder(_Letter), msgspec.json.Decoder(_Id)
    for value in read_values(service.settings.kafka, topics.dead_letters):
        letter = letters.decode(value)
        if letter.topic == topics.labels:
            found.labels += 1
        else:
            found.reasons[letter.offset].append(letter.reason)
    for value in read_values(service.settings.kafka, topics.decisions):
        found.decided[ids.decode(value).tx_id] += 1
    return found


def _report(args: argparse.Namespace, sent: Sent, found: Found, mixed: float, alone: float, restarts: int) -> None:
    report = Report("fuzz", args, COLUMNS)
    numbers = defaultdict(list)
    for number, kind in enumerate(sent.kinds):
        numbers[kind].append(number)
    for kind, mine in sorted(numbers.items()):
        dead = [n for n in mine if n in found.reasons]
        reasons = Counter(reason for n in dead for reason in found.reasons[n])
        report.row(
            kind=kind,
            messages=len(mine),
            decided=sum(f"g-{n}" in found.decided for n in mine),
            reasons=", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common()),
            **{"dead letters": len(dead)},
        )
    report.row(kind="labels", messages=sent.labels, **{"dead letters": found.labels})
    bad = [n for kind, mine in numbers.items() if kind not in MAYBE | {"good"} for n in mine]
    maybe = [n for kind in MAYBE for n in numbers[kind]]
    decided = sum(found.decided.values())
    share = args.bad / (args.bad + args.good)
    report.notes["good a second, alone"], report.notes["good a second, among bad"] = alone, mixed
    report.claim("bad messages", len(bad) + len(maybe) + sent.labels, f">= {args.bad}")
    report.claim("lanes or services that ended", restarts, "== 0")
    report.claim("bad ones without a dead letter", sum(n not in found.reasons for n in bad), "== 0")
    report.claim("bad labels without a dead letter", sent.labels - found.labels, "== 0")
    report.claim("dead letters without a reason", sum("" in reasons for reasons in found.reasons.values()), "== 0")
    report.claim("messages with two dead letters", sum(len(r) > 1 for r in found.reasons.values()), "== 0")
    report.claim("good ones not decided", sum(f"g-{n}" not in found.decided for n in numbers["good"]), "== 0")
    report.claim("good ones among the dead letters", sum(n in found.reasons for n in numbers["good"]), "== 0")
    report.claim("transactions with two decisions", sum(n > 1 for n in found.decided.values()), "== 0")
    either = decided - len(numbers["good"]) - sum(n not in found.reasons for n in maybe)
    report.claim("mutated ones that are neither decided nor dead letters, or both", abs(either), "== 0")
    report.claim("throughput of good ones, down by", 1 - mixed / alone, f"< {share:.4g}")
    report.finish()


if __name__ == "__main__":
    main()
