"""Where a lane starts: from its newest snapshot, through what it had already committed, to what is new."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rlfa.errors import NotAllowedError
from streams.kafka.source import Place, Record, Source

REPLAY_BATCH = 10_000
REPLAY_POLL_S = 0.5
REPLAY_SILENCE_S = 60.0


class RecoveryError(NotAllowedError):
    """The broker no longer has what the lane's state has to be rebuilt from."""


@dataclass(frozen=True, slots=True)
class Route:
    """What to read again in silence, per partition.

    Attributes:
        start: the first offset to read.
        live: the first offset that has no decision yet; what lies before it is replayed without emitting.
    """

    start: Mapping[Place, int]
    live: Mapping[Place, int]


def route(
    *,
    snapshot: Mapping[Place, int],
    committed: Mapping[Place, int | None],
    retained: Mapping[Place, tuple[int, int]],
) -> Route:
    """Plan a lane's start.

    Args:
        snapshot: offsets that the feature state stands for; empty without a snapshot.
        committed: of the group, None where it never committed.
        retained: the broker's first offset, and the one after its last, of every partition of this lane.

    Raises:
        RecoveryError: the snapshot or the committed offset lies outside what the broker has, or the broker has lost
            what it had committed.
    """
    start, live = {}, {}
    for place, (first, end) in retained.items():
        begin = snapshot.get(place, first)
        target = committed.get(place)
        goes_on_at = begin if target is None else target
        _refuse_lost(place, begin, first)
        _refuse_undecided(place, first, goes_on_at)
        _refuse_forgotten(place, goes_on_at, end)
        _refuse_uncommitted(place, begin, first, target)
        start[place], live[place] = begin, goes_on_at
    return Route(start, live)


def reached(
    done: Mapping[Place, int],
    readers: Iterable[tuple[Mapping[Place, int], Mapping[Place, int]]],
) -> dict[Place, int]:
    """How far each partition is through: where that is all that it had, up to its end, transaction markers included.

    Args:
        done: the first offset of each partition that isn't through.
        readers: of each what it reads next, and the ends that it has come to.
    """
    found = dict(done)
    for read, ends in readers:
        found |= {place: end for place, end in ends.items() if place in done and read.get(place) == done[place] < end}
    return found


def _refuse_lost(place: Place, begin: int, first: int) -> None:
    if begin < first:
        raise RecoveryError(
            f"topic {place[0]} partition {place[1]}",
            f"offset {first} as the broker's oldest, while the snapshot stands for {begin}",
            "longer retention than the time since the last snapshot; or remove the snapshot to start without that part",
        )


def _refuse_uncommitted(place: Place, begin: int, first: int, target: int | None) -> None:
    """A lane's snapshot is never ahead of what it has committed: the broker has lost that."""
    if (first if target is None else target) >= begin:
        return
    allowed = "the lanes' group's offsets as they were: set them by hand (kafka-consumer-groups.sh --reset-offsets)"
    if target is not None:
        allowed = "a snapshot that isn't ahead of it: remove this one, and the topic is replayed from its beginning"
    raise RecoveryError(
        f"topic {place[0]} partition {place[1]}",
        f"{'no committed offset' if target is None else f'committed offset {target}'} of the lanes' group, "
        f"while the snapshot stands for {begin}",
        allowed,
    )


def _refuse_undecided(place: Place, first: int, goes_on_at: int) -> None:
    if goes_on_at < first:
        raise RecoveryError(
            f"topic {place[0]} partition {place[1]}",
            f"offset {first} as the broker's oldest, while {goes_on_at} is the next to be decided",
            "longer retention than the service is down; or give that part up by setting the group's offset by hand "
            "(kafka-consumer-groups.sh --reset-offsets)",
        )


def _refuse_forgotten(place: Place, offset: int, end: int) -> None:
    if offset > end:
        raise RecoveryError(
            f"topic {place[0]} partition {place[1]}",
            f"{end} as its end, while this lane had come to offset {offset}",
            "the broker that the state folder was made with (an embedded one forgets when it ends); "
            "or a new state folder",
        )


def read_between(source: Source, start: Mapping[Place, int], end: Mapping[Place, int]) -> Iterator[list[Record]]:
    """Batches of the records from `start` up to, not including, `end`, all partitions together; some are empty.

    Raises:
        RecoveryError: the broker stops giving records that it said it had.
    """
    source.assign(start)
    last = time.monotonic()
    while any(source.positions()[place] < offset for place, offset in end.items()):
        records = source.consume(REPLAY_BATCH, REPLAY_POLL_S)
        yield [r for r in records if r.offset < end[r.topic, r.partition]]
        if records:
            last = time.monotonic()
        elif time.monotonic() - last > REPLAY_SILENCE_S:
            raise RecoveryError(
                "replay", f"no record for {REPLAY_SILENCE_S:.0f} s", "records up to the committed offset"
            )
