"""The seal: this process gives up files, network, other processes and new programs, for good.

Landlock takes the file system and TCP away; a seccomp filter leaves only the system calls that arithmetic and two open
pipes need. Both are asked of the kernel by number, as glibc has no functions for them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import time
from dataclasses import dataclass

from rlfa.errors import NotAllowedError

_PR_SET_NO_NEW_PRIVS = 38
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446  # the same on every machine
_LANDLOCK_VERSION = 1
_SECCOMP_SET_MODE_FILTER, _SECCOMP_GET_ACTION_AVAIL = 1, 2
_SECCOMP_TSYNC = 1
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06  # classic BPF: ld word, jeq constant, ret constant
_OFFSET_NUMBER, _OFFSET_ARCH = 0, 4  # in struct seccomp_data
_ENDING_THREADS_S = 1.0


class SealError(NotAllowedError):
    """The kernel can't seal a process."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """What system calls are called by number here."""

    audit_arch: int
    seccomp: int
    allowed: tuple[int, ...]


# read, write, close, fstat, lseek, mmap, mprotect, munmap, brk, rt_sigaction, rt_sigprocmask, rt_sigreturn, readv,
# writev, sched_yield, mremap, madvise, nanosleep, getpid, exit, gettimeofday, sigaltstack, gettid, futex,
# sched_getaffinity, restart_syscall, clock_gettime, clock_getres, clock_nanosleep, exit_group, getrandom, membarrier,
# rseq, ppoll; on x86-64 poll too.
_MACHINES = {
    "x86_64": _Machine(
        audit_arch=0xC000003E,
        seccomp=317,
        allowed=(
            0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 24, 25, 28, 35, 39, 60, 96, 131, 186, 202, 204, 219, 228,
            229, 230, 231, 318, 324, 334, 271, 7,
        ),
    ),
    "aarch64": _Machine(
        audit_arch=0xC00000B7,
        seccomp=277,
        allowed=(
            63, 64, 57, 80, 62, 222, 226, 215, 214, 134, 135, 139, 65, 66, 124, 216, 233, 101, 172, 93, 169, 132, 178,
            98, 123, 128, 113, 114, 115, 94, 278, 283, 293, 73,
        ),
    ),
}  # fmt: skip


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def refuse_unavailable() -> None:
    """Ask the kernel, without sealing anything.

    Raises:
        SealError: not Linux, an unknown machine, or a kernel without Landlock or seccomp.
    """
    machine = _machine()
    if _call(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION) < 1:
        raise SealError("sealed agents", f"no Landlock ({_reason()})", "Linux 5.13 or newer with Landlock enabled")
    refuse = ctypes.c_uint32(_REFUSE & 0xFFFF0000)
    if _call(machine.seccomp, _SECCOMP_GET_ACTION_AVAIL, 0, ctypes.byref(refuse)) != 0:
        raise SealError("sealed agents", f"no seccomp filters ({_reason()})", "a kernel with CONFIG_SECCOMP_FILTER")


def seal() -> None:
    """Seal this process, which must have one thread; there is no way back.

    Raises:
        SealError: the kernel refuses, or another thread would stay outside.
    """
    refuse_unavailable()
    threads = _threads_at_rest()
    if threads != 1:
        raise SealError("sealed agents", f"{threads} threads in the process", "one, as Landlock seals one")
    if _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise SealError("sealed agents", f"no_new_privs refused ({_reason()})", "a kernel that grants it")
    _take_files_and_network()
    _take_system_calls()


def _threads_at_rest() -> int:
    """How many threads there are once those that a library's start left behind have ended, or the wait is over."""
    until = time.monotonic() + _ENDING_THREADS_S
    while (threads := len(os.listdir("/proc/self/task"))) > 1 and time.monotonic() < until:
        time.sleep(0.005)
    return threads


def _take_files_and_network() -> None:
    """Every right that this kernel's Landlock knows, and no rule that gives any of them back."""
    version = _call(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    file_rights = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    handled = struct.pack("<QQQ", file_rights, 0b11, 0b11)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _call(_LANDLOCK_CREATE_RULESET, ctypes.c_char_p(handled), len(handled), 0)
    if ruleset < 0 or _call(_LANDLOCK_RESTRICT_SELF, ruleset, 0) != 0:
        raise SealError("sealed agents", f"Landlock refused ({_reason()})", "a kernel that grants it")
    os.close(ruleset)


def _take_system_calls() -> None:
    machine = _machine()
    count = len(machine.allowed)
    lines = [
        (_LOAD, 0, 0, _OFFSET_ARCH),
        (_JUMP_EQUAL, 1, 0, machine.audit_arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _OFFSET_NUMBER),
        *((_JUMP_EQUAL, count - i, 0, number) for i, number in enumerate(machine.allowed)),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    program = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    if _call(machine.seccomp, _SECCOMP_SET_MODE_FILTER, _SECCOMP_TSYNC, ctypes.byref(_Program(len(lines), program))):
        raise SealError("sealed agents", f"seccomp refused ({_reason()})", "a kernel that grants it")


def _machine() -> _Machine:
    name = platform.machine() if platform.system() == "Linux" else platform.system()
    if name not in _MACHINES:
        raise SealError("sealed agents", name, f"Linux on {' or '.join(_MACHINES)}")
    return _MACHINES[name]


def _call(number: int, *arguments: object) -> int:
    return int(_LIBC.syscall(ctypes.c_long(number), *arguments))


def _reason() -> str:
    return os.strerror(ctypes.get_errno())


_LIBC = ctypes.CDLL(None, use_errno=True)
