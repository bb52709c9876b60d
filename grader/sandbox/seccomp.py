"""The filter of system calls, by libseccomp where it is installed: no mounts, no namespaces, no tracing, no network.

The list is of calls that answers never need and that have led out of sandboxes before; the rest is allowed.
"""
from __future__ import annotations

import contextlib
import errno
from typing import Any

from grader.sandbox import syscalls

REFUSED = """mount umount2 pivot_root chroot unshare setns ptrace process_vm_readv process_vm_writev kcmp bpf perf_event_open keyctl add_key
request_key userfaultfd io_uring_setup io_uring_enter io_uring_register kexec_load kexec_file_load init_module finit_module delete_module
open_by_handle_at name_to_handle_at swapon swapoff reboot acct quotactl fsopen fsmount fsconfig fspick move_mount open_tree mount_setattr
pidfd_getfd personality syslog settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname vhangup iopl ioperm
lookup_dcookie migrate_pages move_pages mbind set_mempolicy fanotify_init"""
FAMILIES = (2, 10, 16, 17, 40)  # sockets of the families INET, INET6, NETLINK, PACKET and VSOCK
_NAMESPACES = (syscalls.NEWUSER, syscalls.NEWNS, syscalls.NEWPID, syscalls.NEWNET)


def build() -> Any:
    """The filter, ready to be loaded in any fork of this process; None where libseccomp or its Python module is missing."""
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError):
        return None
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refuse = pyseccomp.ERRNO(errno.EPERM)
    for name in REFUSED.split():
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # older libraries don't know the newer calls
            rules.add_rule(refuse, name)
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")  # its flags can't be seen; the C library falls back to clone
    for flag in _NAMESPACES:
        rules.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    for family in FAMILIES:
        rules.add_rule(refuse, "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
    return rules
