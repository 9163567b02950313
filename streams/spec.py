"""The stream spec: which field of the user's records is what (TOML)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streams.durations import parse_duration
from streams.errors import SpecError, StreamsError
from streams.features.spec import WindowSpec


class StreamSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the user's transactions look like."""

    tx_id: str
    """Field with the transaction's id."""
    event_time: str
    """Field with the time at which it happened."""
    event_time_unit: Literal["ms", "s", "us", "iso8601"] = "ms"
    """Unit of that field; numbers count from 1970 in UTC."""
    amount: str
    """Field with the amount."""
    amount_max: Annotated[float, Meta(gt=0, le=1e12)] = 1e9
    """Largest amount that is taken for real, in the stream's currency."""
    currency: str = ""
    """Field with the currency, kept as a category; none when empty."""
    entities: dict[str, str]
    """Entity name to field; the first one is the key of the topics."""
    categorical: tuple[str, ...] = ()
    """Fields that name something: merchant category, country, channel."""
    numeric: tuple[str, ...] = ()
    """Fields that count or measure something."""
    card_numbers: tuple[str, ...] = ()
    """Fields that hold card numbers; each is replaced by a keyed hash before anything else sees it."""
    hmac_key_env: str = ""
    """Environment variable with the key of that hash."""
    hmac_key_file: str = ""
    """File with the key of that hash."""
    record_bytes_max: Annotated[int, Meta(ge=256, le=16_777_216)] = 262_144
    """Larger records are refused."""
    lateness_max: str = "1d"
    """How far behind its partition's event time a transaction may be."""
    ahead_max: str = "7d"
    """How far before its partition's event time a transaction may jump."""
    windows: WindowSpec = WindowSpec()
    """Windows over event time."""

    @property
    def label_delay_ms(self) -> int:
        """D in milliseconds: after so long a transaction without a fraud label counts as genuine."""
        return parse_duration(self.windows.label_delay)

    @property
    def lateness_max_ms(self) -> int:
        """Allowed lateness in milliseconds."""
        return parse_duration(self.lateness_max)

    @property
    def ahead_max_ms(self) -> int:
        """Allowed jump in milliseconds."""
        return parse_duration(self.ahead_max)

    def hmac_key(self) -> bytes | None:
        """The key for card numbers, None where the spec declares none.

        Raises:
            SpecError: card numbers without a key.
        """
        if not self.card_numbers:
            return None
        if self.hmac_key_env and os.environ.get(self.hmac_key_env):
            return os.environ[self.hmac_key_env].encode()
        if self.hmac_key_file and Path(self.hmac_key_file).is_file():
            return Path(self.hmac_key_file).read_bytes().strip()
        raise SpecError("card_numbers", list(self.card_numbers), "a key in hmac_key_env or hmac_key_file")


def load_spec(path: Path) -> StreamSpec:
    """Read and check a stream spec.

    Raises:
        SpecError: unreadable, an unknown key, a value out of bounds, no entity.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise SpecError(str(path), error.strerror, "a readable TOML file") from error
    return parse_spec(text, str(path))


def parse_spec(text: str, where: str) -> StreamSpec:
    """TOML to a checked spec.

    Raises:
        SpecError: with the key, what was found, what is allowed.
    """
    try:
        spec = msgspec.toml.decode(text, type=StreamSpec)
    except msgspec.ValidationError as error:
        raise _readable(error, where) from error
    except msgspec.DecodeError as error:
        raise SpecError(where, str(error), "TOML") from error
    if not spec.entities:
        raise SpecError(f"{where} entities", {}, "at least one: the key of the topics")
    for key in ("lateness_max", "ahead_max"):
        try:
            parse_duration(getattr(spec, key))
        except StreamsError as error:
            raise SpecError(f"{where} {key}", getattr(spec, key), "a duration such as 36h or 7d") from error
    spec.hmac_key()
    return spec


def _readable(error: msgspec.ValidationError, where: str) -> SpecError:
    match = re.match(r"(?P<what>.*?)(?: - at `\$?\.?(?P<path>.*)`)?$", str(error))
    assert match is not None
    unknown = re.match(r"Object contains unknown field `(?P<name>.*)`", match["what"])
    key = match["path"] or ""
    if unknown:
        name = f"{key}.{unknown['name']}".lstrip(".")
        return SpecError(f"{where} {name}", unknown["name"], "a key of docs/reference/configuration.md")
    return SpecError(f"{where} {key}".strip(), match["what"], "see docs/reference/configuration.md")
