"""Logs: structured, one event a line, and only keys from a list, so that no identifier of a person slips in."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import MutableMapping
from typing import TextIO

import structlog

# Who adds a key here has made sure that its values name no person, no card and no raw record.
ALLOWED_KEYS = frozenset(
    {
        "agent", "agents", "attempt", "cohorts", "committed", "count", "day", "decided", "dead_lettered", "device",
        "epoch", "error", "event", "family", "files", "folder", "frauds", "host", "kind", "labels", "lane", "lanes",
        "level", "lineup", "limit_s", "log_e", "offset", "partition", "path", "pid", "port", "reason", "replayed",
        "rows", "rule", "seconds", "shard", "slot", "snapshot", "stage", "state", "timestamp", "topic", "topics",
        "turn_s", "url", "waited_s", "who", "why",
    }
)  # fmt: skip

RELAYED_MAX = 1000  # lines of an actor that wait to be collected; older ones are in Ray's own files alone

_dropped_keys: dict[str, int] = {}
_relayed: deque[str] = deque(maxlen=RELAYED_MAX)


def dropped_keys() -> dict[str, int]:
    """Keys that were logged without being allowed, and how often: a bug of ours, counted instead of printed."""
    return dict(_dropped_keys)


def drop_unknown_keys(
    _logger: object, _method: str, event_dict: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    """A structlog processor: whatever isn't in `ALLOWED_KEYS` goes."""
    for key in [k for k in event_dict if k not in ALLOWED_KEYS]:
        _dropped_keys[key] = _dropped_keys.get(key, 0) + 1
        del event_dict[key]
    return event_dict


def relayed_lines() -> tuple[str, ...]:
    """This actor's lines since the last call: Ray keeps its stderr in a file, where nobody looks."""
    return tuple(_relayed.popleft() for _ in range(len(_relayed)))


def configure_logs(level: str = "info", *, stream: TextIO | None = None, relay: bool = False) -> None:
    """JSON lines on stderr; for a person where stderr is a terminal.

    Args:
        level: least severe.
        stream: in place of stderr.
        relay: keep lines for `relayed_lines` too.
    """
    out = stream or sys.stderr
    is_terminal = out.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer()
    )
    if relay:
        renderer = _relaying(renderer)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            drop_unknown_keys,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # Looked up at each line: whoever replaces stderr for a while closes what it put there.
        logger_factory=lambda *_: structlog.PrintLogger(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def _relaying(render: structlog.typing.Processor) -> structlog.typing.Processor:
    def rendered(
        of: structlog.typing.WrappedLogger, method: str, event_dict: structlog.typing.EventDict
    ) -> structlog.typing.ProcessorReturnValue:
        line = render(of, method, event_dict)
        _relayed.append(str(line))
        return line

    return rendered


def logger() -> structlog.typing.FilteringBoundLogger:
    """The one way to a logger."""
    return structlog.get_logger()  # type: ignore[no-any-return]
