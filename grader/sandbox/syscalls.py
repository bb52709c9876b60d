"""The few Linux system calls that Python has no function for. Each raises OSError with the call's name."""
from __future__ import annotations

import ctypes
import os
import platform

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
READ_ONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 32, 0x1000, 0x4000, 1 << 18
NOATIME, NODIRATIME, RELATIME = 1 << 10, 1 << 11, 1 << 21
DETACH = 2  # of umount2: as soon as nobody uses it
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522
_SET_PDEATHSIG, _SET_DUMPABLE, _CAPBSET_DROP, _SET_NO_NEW_PRIVS = 1, 4, 24, 38
_LAST_CAPABILITY = 40
# statvfs flags and the mount flags that a remount must repeat, or an ordinary user may not change it
_KEPT = ((os.ST_NOSUID, NOSUID), (os.ST_NODEV, NODEV), (os.ST_NOEXEC, NOEXEC), (os.ST_NOATIME, NOATIME),
         (os.ST_NODIRATIME, NODIRATIME), (os.ST_RELATIME, RELATIME))

_libc = ctypes.CDLL(None, use_errno=True)


def _done(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` and enter new ones. A new user namespace needs a process of one thread."""
    _done(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount `source` at `target`."""
    result = _libc.mount(os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), options.encode() or None)
    _done(result, f"mount {target}")


def bind(source: str, target: str, *, read_only: bool = True, flags: int = 0) -> None:
    """Show `source` at `target` as well; read-only unless said otherwise."""
    mount(source, target, flags=BIND)
    if read_only or flags:
        kept = sum(flag for seen, flag in _KEPT if os.statvfs(target).f_flag & seen)
        mount("none", target, flags=BIND | REMOUNT | kept | flags | (READ_ONLY if read_only else 0))


def unmount(target: str) -> None:
    """Take a mount away, with all below it."""
    _done(_libc.umount2(os.fsencode(target), DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root of this mount namespace and put the old root at `old`, a folder below `new`."""
    _done(_libc.syscall(ctypes.c_long(_number(_PIVOT_ROOT)), os.fsencode(new), os.fsencode(old)), "pivot_root")


def die_with_parent(signal_number: int) -> None:
    """Get this signal when the parent ends."""
    _done(_libc.prctl(_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "prctl")


def set_dumpable() -> None:
    """Own one's own /proc files again, which a change of user takes away."""
    _done(_libc.prctl(_SET_DUMPABLE, ctypes.c_ulong(1), 0, 0, 0), "prctl")


def drop_privileges() -> None:
    """Give up all capabilities, in this namespace too, and the way to get new ones by running a set-uid program."""
    _done(_libc.prctl(_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0), "prctl")
    for capability in range(_LAST_CAPABILITY + 1):
        _libc.prctl(_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)  # fails for those that this kernel lacks
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    empty = (ctypes.c_uint32 * 6)()
    _done(_libc.syscall(ctypes.c_long(_number(_CAPSET)), ctypes.byref(header), ctypes.byref(empty)), "capset")


def _number(table: dict[str, int]) -> int:
    try:
        return table[platform.machine()]
    except KeyError:
        raise OSError(38, f"the sandbox does not know this processor ({platform.machine()})") from None
