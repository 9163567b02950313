"""How to reach a cluster; secrets come from the environment or from files, never from the settings themselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streams.errors import SpecError


class KafkaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The cluster and how to log in."""

    bootstrap_servers: str = "127.0.0.1:9092"
    """Brokers to ask first, host:port, comma-separated."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Encryption and login."""
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    """How the login proves its password."""
    sasl_username: str = ""
    """Who logs in."""
    sasl_password_env: str = ""
    """Environment variable that holds the password."""
    sasl_password_file: str = ""
    """File that holds the password, e.g. a mounted secret."""
    ssl_ca_file: str = ""
    """Certificates that are trusted (PEM); the system's when empty."""
    ssl_certificate_file: str = ""
    """This client's certificate (PEM), for mutual TLS."""
    ssl_key_file: str = ""
    """This client's key (PEM), for mutual TLS."""
    connect_wait_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    """How long a start waits for a broker that is away."""
    request_timeout_s: Annotated[float, Meta(gt=0, le=300)] = 10.0
    """How long one question to the broker may take."""
    record_bytes_max: Annotated[int, Meta(ge=1024, le=100_000_000)] = 4_194_304
    """Largest record that is fetched."""
    consumer_queue_mib: Annotated[int, Meta(ge=1, le=2048)] = 64
    """Records that a client fetches ahead of what it reads, in MiB; one fetch more may come on top."""
    producer_queue_mib: Annotated[int, Meta(ge=1, le=2048)] = 64
    """Records that a client holds until the broker has taken them, in MiB; above it the writer waits."""
    transaction_timeout_s: Annotated[float, Meta(gt=1, le=900)] = 30.0
    """After so long the broker aborts a transaction of a producer that died; readers of its partitions wait for it."""

    def password(self) -> str:
        """The password from where the settings say.

        Raises:
            SpecError: the variable or file isn't there.
        """
        if self.sasl_password_env:
            found = os.environ.get(self.sasl_password_env)
            if found is None:
                raise SpecError("kafka.sasl_password_env", self.sasl_password_env, "a variable that is set")
            return found
        if self.sasl_password_file:
            try:
                return Path(self.sasl_password_file).read_text().strip()
            except OSError as error:
                raise SpecError("kafka.sasl_password_file", self.sasl_password_file, "a readable file") from error
        return ""
