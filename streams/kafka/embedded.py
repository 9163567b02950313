"""Brokers as child processes: the embedded one for demos and tests, and an Apache Kafka for what must last."""

from __future__ import annotations

import base64
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from streams.errors import BrokerError

START_WAIT_S = 60.0
STOP_WAIT_S = 20.0
_PR_SET_PDEATHSIG = 1


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class EmbeddedBroker:
    """noida-db's Kafka: in memory, so a killed one forgets every record and offset.

    Args:
        port: on loopback; 0 takes a free one.

    Raises:
        BrokerError: the port is taken, or the broker doesn't come up.
    """

    port: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _folder: str = ""

    def start(self) -> Self:
        """Start, and wait until it answers."""
        self.port = self.port or free_port()
        _refuse_taken(self.port)
        self._folder = tempfile.mkdtemp(prefix="rlfa-broker-")
        # The wheel's own program instead of its Python wrapper, which would leave it behind when it is killed.
        package = find_spec("noida_db")
        if package is None or package.origin is None:
            raise BrokerError("embedded broker", "no noida-db", "the extra: pip install 'rlfa[embedded]'")
        binary = Path(package.origin).parent / "noida-db"
        binary.chmod(0o755)  # wheels don't keep the bit
        arguments = ["start", "--only", "kafka", "--kafka-port", str(self.port), "--data-dir", self._folder]
        self._process = spawn([str(binary), *arguments], Path(self._folder) / "broker.log")
        _wait_for(self.port, self._process)
        return self

    @property
    def bootstrap_servers(self) -> str:
        """For clients."""
        return f"127.0.0.1:{self.port}"

    def pause_for(self, seconds: float) -> None:
        """Stop answering for a while without dying, as a broker behind a broken network does."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def wait(self) -> None:
        """Until it ends by itself."""
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        """End it and remove what it kept."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass(slots=True)
class ApacheKafka:
    """One node of Apache Kafka (KRaft) that keeps its records in a folder.

    Args:
        home: an unpacked Kafka; needs Java 17.
        data: folder for records and settings; made where it is missing.
        port: on loopback; 0 takes a free one.
        extra: further lines of server.properties.

    Raises:
        BrokerError: no Kafka or Java there, the port is taken, the broker doesn't come up.
    """

    home: Path
    data: Path
    port: int = 0
    extra: dict[str, str] = field(default_factory=dict)
    format_arguments: tuple[str, ...] = ()
    _controller: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """For clients."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Format the folder where that hasn't been done, start, and wait until it answers."""
        self.port = self.port or free_port()
        self._controller = self._controller or free_port()
        _refuse_taken(self.port)
        self.data.mkdir(parents=True, exist_ok=True)
        properties = self.data / "server.properties"
        properties.write_text("".join(f"{k}={v}\n" for k, v in self._properties().items()))
        if not (self.data / "log" / "meta.properties").exists():
            self._format(properties)
        self._process = spawn(
            [str(self.home / "bin" / "kafka-server-start.sh"), str(properties)],
            self.data / "broker.log",
            {"KAFKA_HEAP_OPTS": "-Xmx512m", "LOG_DIR": str(self.data / "logs")},
        )
        _wait_for(self.port, self._process)
        return self

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def wait(self) -> None:
        """Until it ends by itself."""
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        """End it; its folder stays."""
        if self._process is not None:
            _end(self._process)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _properties(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.data / "log"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
            **self.extra,
        }

    def _format(self, properties: Path) -> None:
        tool = self.home / "bin" / "kafka-storage.sh"
        if not tool.exists():
            raise BrokerError("--kafka-home", str(self.home), "an unpacked Apache Kafka, with bin/kafka-storage.sh")
        random = uuid.uuid4().bytes
        # Without the first bit it begins with a letter: an id that begins with a dash reads as an option.
        cluster = base64.urlsafe_b64encode(bytes([random[0] & 0x7F]) + random[1:]).decode()[:22]
        done = subprocess.run(  # noqa: S603  # the Kafka that the user named
            [
                str(tool),
                "format",
                "-t",
                cluster,
                "-c",
                str(properties),
                *self.format_arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise BrokerError("kafka-storage.sh format", lines[-1] if lines else "", "Java 17 and a writable folder")


def spawn(command: list[str], log: Path, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A child in a process group of its own that the kernel ends together with its parent."""
    libc = ctypes.CDLL(None, use_errno=True)

    def die_with_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    with log.open("ab") as out:
        return subprocess.Popen(  # noqa: S603  # a broker that the user asked for
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # one system call, no lock taken
            env={**os.environ, **(environment or {})},
        )


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BrokerError(f"port {port}", error.strerror, "a free port") from error


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 0.5):
                return
        except OSError:
            time.sleep(0.05)  # nothing tells when a foreign process listens
    _end(process)
    raise BrokerError(f"broker on port {port}", f"exit {process.returncode}", f"an answer within {START_WAIT_S:.0f} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal.SIGCONT)
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_WAIT_S)
            break
        except subprocess.TimeoutExpired:
            continue
