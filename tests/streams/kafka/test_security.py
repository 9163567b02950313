"""TLS and SCRAM against Apache Kafka: right settings work, wrong ones are refused in one line."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec.structs import replace

from streams.errors import BrokerError, SpecError
from streams.kafka.admin import Admin, TopicInfo
from streams.kafka.confluent import ConfluentSource, ConfluentTransactionalSink
from streams.kafka.embedded import ApacheKafka, free_port
from streams.kafka.python import PythonSource
from streams.kafka.settings import KafkaSettings
from streams.kafka.sink import Message

USER, PASSWORD = "lane", "correct horse"


def make_certificate(folder: Path, name: str) -> None:
    """A self-signed certificate for loopback: `name.crt`, and with its key `name.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(loopback, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    crt = certificate.public_bytes(serialization.Encoding.PEM)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.crt").write_bytes(crt)
    (folder / f"{name}.pem").write_bytes(pem + crt)


@pytest.fixture(scope="module")
def secured(apache_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaSettings]:
    """Settings that work: TLS with a certificate of the test's own, SCRAM with a user of its own."""
    folder = tmp_path_factory.mktemp("secured")
    for name in ("broker", "stranger"):
        make_certificate(folder, name)
    (folder / "password").write_text(PASSWORD)
    port, inner, controller = free_port(), free_port(), free_port()
    broker = ApacheKafka(
        apache_home,
        folder / "data",
        port,
        extra={
            "listeners": f"SAFE://127.0.0.1:{port},INNER://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"SAFE://127.0.0.1:{port},INNER://127.0.0.1:{inner}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listener.security.protocol.map": "SAFE:SASL_SSL,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "INNER",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.safe.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(folder / "broker.pem"),
            "ssl.client.auth": "none",
        },
        format_arguments=("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"),
    )
    with broker:
        yield KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers,
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username=USER,
            sasl_password_file=str(folder / "password"),
            ssl_ca_file=str(folder / "broker.crt"),
            connect_wait_s=20.0,
        )


def test_right_settings_work_with_every_client(secured: KafkaSettings) -> None:
    admin = Admin(secured)
    admin.create([TopicInfo("safe", 1, 1)])
    admin.close()
    sink = ConfluentTransactionalSink(secured, "safe-1", 10.0)
    source = ConfluentSource(secured, "g")
    sink.commit([Message("safe", b"k", b"v")], {("safe", 0): 0}, source)
    sink.close()
    source.close()
    second = PythonSource(secured, "g")
    second.assign({("safe", 0): 0})
    assert [r.value for r in second.consume(10, 10.0)] == [b"v"]
    second.close()


@pytest.mark.parametrize("client", [ConfluentSource, PythonSource])
def test_a_wrong_password_is_refused_in_one_line(
    secured: KafkaSettings, client: type[ConfluentSource | PythonSource], tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("wrong")
    with pytest.raises(BrokerError, match=r"(?i)authentication") as refused:
        client(replace(secured, sasl_password_file=str(tmp_path / "wrong"), connect_wait_s=6.0), "g").partitions("safe")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("client", [ConfluentSource, PythonSource])
def test_an_untrusted_certificate_is_refused_in_one_line(
    secured: KafkaSettings, client: type[ConfluentSource | PythonSource]
) -> None:
    stranger = str(Path(secured.ssl_ca_file).with_name("stranger.crt"))
    with pytest.raises(BrokerError, match=r"(?i)certificate|ssl") as refused:
        client(replace(secured, ssl_ca_file=stranger, connect_wait_s=5.0), "g").partitions("safe")
    assert "\n" not in str(refused.value)


def test_a_password_that_is_nowhere_is_said_in_one_line(secured: KafkaSettings) -> None:
    with pytest.raises(SpecError, match="allowed: a readable file"):
        ConfluentSource(replace(secured, sasl_password_file="/nowhere"), "g")
    with pytest.raises(SpecError, match="allowed: a variable that is set"):
        ConfluentSource(replace(secured, sasl_password_env="RLFA_NOT_SET"), "g")
