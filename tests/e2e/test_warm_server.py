"""The warm server for real: what a learner's process sees, may and leaves behind, and how everything ends."""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader import paths
from grader.fleet.bundle import Bundle, CellTask
from grader.fleet.client import RunningServer, WarmServer, WarmServerError
from grader.fleet.session import ENDED, Session
from grader.sandbox import cgroup
from grader.sandbox.level import probe
from grader.sandbox.limits import MIB, Limits
from tests.e2e.waiting import descendants, running, until

LEVEL = probe()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not LEVEL.enough, reason=f"this machine has no sandbox: {LEVEL.why}")]
PLENTY = Limits()
GROUPS = ("", "memory", "pids")
AHEAD = 2  # processes of the child that is shut in ahead: the outer and the learner's


def can_group() -> bool:
    return LEVEL.number == 4


@pytest.fixture(scope="module")
def running_server() -> Iterator[tuple[RunningServer, WarmServer]]:
    started = RunningServer(sandbox=True, models=False)
    with started as server:
        yield started, server


@pytest.fixture(scope="module")
def server(running_server: tuple[RunningServer, WarmServer]) -> WarmServer:
    return running_server[1]


def session_of(server: WarmServer, *sources: str, limits: Limits = PLENTY, seed: int = 0) -> Session:
    """Run these cells in one child."""
    cells = tuple(CellTask(f"cell-{number}", "", source) for number, source in enumerate(sources))
    return Session(Bundle("ada", "part1", "p1_1", cells, (), {}, limits), server, seed)


def told(server: WarmServer, source: str, limits: Limits = PLENTY, seed: int = 0) -> Any:
    """What a cell in a child of its own prints, as JSON; `said` in its source is where it puts its answer."""
    session = session_of(server, f"import json\n{source}\nprint(json.dumps(said))", limits=limits, seed=seed)
    session.start()
    session.end()
    row = session.cells["cell-0"]
    assert row["kind"] == "", f"{row['kind']}: {row['text']}"
    return json.loads(row["printed"])


def test_a_child_sees_nothing_of_the_course_but_what_it_needs(server: WarmServer) -> None:
    from handbook.models.wheels import cache_dir

    hidden = [paths.SOLUTIONS, paths.CHECKS, paths.HIDDEN, paths.ROOT / "tests", paths.BUILD, paths.ROOT / ".git",
              *(path for path in paths.COURSE.iterdir() if path.is_dir() and path.name.startswith("part")), Path("/home"), Path("/root"), Path("/etc/shadow")]
    shown = [paths.ROOT / "grader" / "seam", paths.COURSE / "handbook"]
    said = told(server, f"""
import os
def there(path):
    return [os.path.join(where, name) for where, _, names in os.walk(path) for name in names if 'site-packages' not in where]
prefixes = {[sys.prefix, sys.base_prefix, str(cache_dir())]!r}
said = {{path: [name for name in there(path) if not name.startswith(tuple(prefixes))][:5] if os.path.isdir(path) else os.path.exists(path)
        for path in {[str(path) for path in [*hidden, *shown]]!r}}}
""")
    assert {path: said[str(path)] for path in hidden if said[str(path)]} == {}
    assert all(said[str(path)] for path in shown)


def test_no_answer_and_no_hidden_check_is_anywhere_in_the_childs_memory(server: WarmServer) -> None:
    from grader.bundle import telling_lines
    from tests.e2e.classroom import built_lessons

    lines = [line.strip() for path in sorted(paths.HIDDEN.glob("p1_*.py")) for line in path.read_text(encoding="utf-8").splitlines()]
    lines += [line for lesson in built_lessons() for line in telling_lines(lesson)]
    chosen = [line for line in dict.fromkeys(lines) if len(line) > 50][::7][:60]
    assert len(chosen) > 20
    said = told(server, f"""
halves = {[(line[:25], line[25:]) for line in chosen]!r}  # apart, or they would be found in this very text
halves = [(first.encode(), second.encode()) for first, second in halves]
probe = (b"is this text to be ", b"found")
there = bytearray(b"is this text to be ") + b"found"
def count(data, first, second):
    place, found = data.find(first), 0
    while place >= 0:
        found += data.startswith(second, place + len(first))
        place = data.find(first, place + 1)
    return found
found, itself = [], 0
memory = open('/proc/self/mem', 'rb', buffering=0)
for row in list(open('/proc/self/maps')):
    place, rights = row.split()[:2]
    begin, end = (int(number, 16) for number in place.split('-'))
    try:
        memory.seek(begin)
        data = memory.read(min(end - begin, 256 << 20)) if rights.startswith('rw') else b""
    except (OSError, ValueError, OverflowError):
        continue
    itself += count(data, *probe)
    found += [first.decode() for first, second in halves if count(data, first, second)]
said = [found, itself > 0]
""", limits=Limits(cell=200.0, cpu=200))
    assert said == [[], True]


def _below_tmp(*folders: Path) -> list[str]:
    """The folders just below /tmp that these lie in: a child sees them in its own /tmp, too."""
    return sorted({path.parts[2] for path in folders if path.parts[:2] == ("/", "tmp")})


BELOW_TMP = _below_tmp(paths.ROOT, Path(sys.prefix), Path(sys.base_prefix))


def test_a_child_is_alone(server: WarmServer) -> None:
    said = told(server, """
import os, socket
said = {'pids': [int(name) for name in os.listdir('/proc') if name.isdigit()], 'pid': os.getpid(), 'host': socket.gethostname(), 'home': os.listdir('/home'),
        'uid': os.getuid(), 'gid': os.getgid(), 'groups': os.getgroups(), 'files': os.listdir('/tmp'), 'where': os.getcwd(),
        'environment': sorted(os.environ), 'links': sorted(os.listdir('/sys/class/net')) if os.path.exists('/sys/class/net') else []}
""")
    assert said["pids"] in ([], [1])
    assert (said["pid"], said["host"], said["home"], said["links"]) == (1, "learner", [], [])
    assert 0 not in (said["uid"], said["gid"], *said["groups"])
    assert (sorted(said["files"]), said["where"]) == (sorted([*BELOW_TMP, "work"]), "/tmp/work")
    assert [name for name in said["environment"] if "SECRET" in name or "TOKEN" in name.replace("TOKENIZERS", "") or "CANARY" in name] == []


def test_a_child_has_no_rights_and_can_get_none(server: WarmServer) -> None:
    said = told(server, """
said = {line.split(':')[0]: line.split()[1] for line in open('/proc/self/status') if line.startswith(('Cap', 'NoNewPrivs', 'Seccomp:'))}
""")
    assert {name: int(said[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == dict.fromkeys(
        ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0)
    assert said["NoNewPrivs"] == "1"
    if LEVEL.number >= 3:  # below, a container may or may not have a filter of its own
        assert said["Seccomp"] == "2"


def test_what_leads_out_is_refused(server: WarmServer) -> None:
    said = told(server, """
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *words):
    ctypes.set_errno(0)
    return 'done' if getattr(libc, name)(*words) >= 0 else errno.errorcode[ctypes.get_errno()]
def attempt(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return 'done'
said = {
    'mount': call('mount', b'none', b'/tmp', b'tmpfs', 0, None), 'umount': call('umount2', b'/tmp', 2), 'chroot': call('chroot', b'/tmp'),
    'unshare user': call('unshare', 0x10000000), 'unshare mounts': call('unshare', 0x20000), 'unshare network': call('unshare', 0x40000000),
    'remount': call('mount', b'none', b'/usr', None, 0x1000 | 32, None), 'host': call('sethostname', b'x', 1),
    'parent': attempt(lambda: os.kill(os.getppid() or 2, 9)), 'trace': call('ptrace', 16, 1, 0, 0), 'uid 0': attempt(lambda: os.setuid(0)),
    'device': attempt(lambda: os.mknod('/tmp/device', 0o020600, os.makedev(1, 1))), 'time': attempt(lambda: __import__('time').clock_settime(0, 1)),
    'connect': attempt(lambda: socket.create_connection(('127.0.0.1', 22), 1)), 'udp': attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('10.0.0.1', 53))),
}
""")
    assert [name for name, ending in said.items() if ending == "done"] == []


def test_nothing_can_be_written_but_in_tmp(server: WarmServer) -> None:
    said = told(server, f"""
import os
written = []
for folder in ['/', '/usr', '/etc', '/home', '/proc', '/dev', '/proc/sys/kernel', {str(paths.ROOT)!r}, {str(paths.ROOT / 'grader')!r}, {str(paths.COURSE / 'handbook')!r},
               {sys.prefix!r}, *{[str(path) for path in (paths.CHECKS, paths.BUILD)]!r}, '/tmp', '/dev/shm']:
    try:
        with open(os.path.join(folder, 'mark'), 'w') as file:
            file.write('x')
        written.append(folder)
    except OSError:
        pass
said = written
""")
    own = {str(paths.ROOT)} if BELOW_TMP else set()  # below /tmp, the course's folder itself is one of the child's own
    assert {"/tmp", "/dev/shm"} <= set(said) <= {"/tmp", "/dev/shm"} | own
    assert not (paths.ROOT / "mark").exists()


def test_what_one_child_writes_the_next_never_sees(server: WarmServer) -> None:
    source = """
import os
before = sorted(os.listdir('/tmp')) + os.listdir('/dev/shm') + os.listdir('/tmp/work')
for folder in ('/tmp', '/dev/shm', '/tmp/work'):
    open(folder + '/mine', 'w').write('x' * 100)
import torch
torch.mine = 1
said = before
"""
    there = sorted([*BELOW_TMP, "work"])
    assert [told(server, source), told(server, source)] == [there, there]
    assert not Path("/tmp/mine").exists()
    assert told(server, "import torch\nsaid = hasattr(torch, 'mine')") is False


def test_scratch_space_is_bounded(server: WarmServer) -> None:
    said = told(server, """
import errno
said = []
for folder in ('/tmp', '/dev/shm'):
    total = 0
    try:
        for number in range(20):
            with open(f'{folder}/{number}', 'wb') as file:
                file.write(bytes(1 << 20))
                total += 1
    except OSError as error:
        said.append([total < 9, errno.errorcode[error.errno]])
""", limits=Limits(scratch=8))
    assert said == [[True, "ENOSPC"], [True, "ENOSPC"]]


def test_limits_are_set(server: WarmServer) -> None:
    said = told(server, """
import resource
said = {name: resource.getrlimit(getattr(resource, f'RLIMIT_{name}')) for name in ('NOFILE', 'FSIZE', 'CPU', 'NPROC', 'CORE', 'AS')}
""", limits=Limits(memory=500, processes=21, open_files=99, file_size=5, cpu=33))
    least = said.pop("AS")
    assert said == {"NOFILE": [99, 99], "FSIZE": [5 * MIB] * 2, "CPU": [33, 33], "NPROC": [21, 21], "CORE": [0, 0]}
    assert 500 * MIB < least[0] < 64_000 * MIB


def test_random_numbers_begin_at_the_seed(server: WarmServer) -> None:
    source = """
import random, numpy, torch
said = [random.random(), float(numpy.random.rand()), float(torch.rand(()))]
"""
    first, again, other = told(server, source, seed=1), told(server, source, seed=1), told(server, source, seed=2)
    assert first == again
    assert [one == two for one, two in zip(first, other, strict=True)] == [False] * 3


def test_one_process_that_wants_too_much_memory_gets_an_error(server: WarmServer) -> None:
    session = session_of(server, "data = bytearray(600 << 20)", "x = 1", limits=Limits(memory=300))
    session.start()
    session.end()
    assert (session.cells["cell-0"]["kind"], session.cells["cell-1"]["kind"]) == ("MemoryError", "")
    assert session.lives == 1


@pytest.mark.skipif(not can_group(), reason="this account may not make control groups")
def test_several_processes_that_want_too_much_together_are_ended_and_it_is_said(server: WarmServer) -> None:
    session = session_of(server, "x = 1", """
import os, signal
for number in range(6):
    if os.fork() == 0:
        data = bytearray(b'x' * (120 << 20))
        signal.pause()
os.wait()  # one of them, or this one, is ended by the system
os._exit(5)
""", "y = 2", limits=Limits(memory=300, cell=60.0))
    session.start()
    session.end()
    assert [session.cells[f"cell-{number}"]["kind"] for number in range(3)] == ["", ENDED, ""]
    assert "wanted more than 300 MiB of memory" in session.cells["cell-1"]["text"]
    assert "wanted more than 300 MiB of memory" in session.notes[0]


def test_a_fork_bomb_stays_small_and_ends(running_server: tuple[RunningServer, WarmServer]) -> None:
    started, server = running_server
    said = told(server, """
import os, signal
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            signal.pause()
        count += 1
except OSError:
    pass
said = count
""", limits=Limits(processes=30))
    assert said < 60
    until(lambda: len(descendants(started.process.pid)) == AHEAD, "all children have ended")


def test_a_daemon_does_not_outlive_the_run(running_server: tuple[RunningServer, WarmServer]) -> None:
    started, server = running_server
    session = session_of(server, """
import os, signal
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        os.write(writer, b'x')
        while True:
            signal.pause()
    os._exit(0)
os.wait()
os.read(reader, 1)
""")
    session.start()
    assert session.cells["cell-0"]["kind"] == ""
    until(lambda: len(descendants(started.process.pid)) == AHEAD + 3, "the outer process, the learner's, and the daemon")
    session.end()
    until(lambda: len(descendants(started.process.pid)) == AHEAD, "the daemon has ended")


def test_a_child_that_was_shut_in_ahead_has_the_limits_and_the_seed_that_were_asked_for(server: WarmServer) -> None:
    source = "import os, random, resource\nsaid = [resource.getrlimit(resource.RLIMIT_NOFILE)[0], random.random(), os.getpid()]"
    rows = [told(server, source, Limits(open_files=files), seed) for files, seed in ((100, 1), (100, 1), (200, 1), (100, 2))]
    assert [row[0] for row in rows] == [100, 100, 200, 100]
    assert rows[0][1] == rows[1][1] == rows[2][1] != rows[3][1]


def test_a_child_that_was_ended_while_it_waited_is_replaced(running_server: tuple[RunningServer, WarmServer]) -> None:
    started, server = running_server
    told(server, "said = 1")
    until(lambda: len(descendants(started.process.pid)) == AHEAD, "the next child is ready")
    for pid in descendants(started.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not descendants(started.process.pid), "it has ended")
    assert [told(server, f"said = {number}") for number in range(3)] == [0, 1, 2]


def test_a_signal_to_all_stays_inside(server: WarmServer) -> None:
    session = session_of(server, "import os, signal\nfor target in (0, -1):\n    try:\n        os.kill(target, signal.SIGKILL)\n    except OSError:\n        pass", "x = 1")
    session.start()
    assert (session.lives, session.cells["cell-1"]["kind"], session.skip) == (1, "", {}), session.notes
    session.end()


def test_a_child_ends_when_its_judge_hangs_up(running_server: tuple[RunningServer, WarmServer]) -> None:
    started, server = running_server
    process = server.learner(Limits(), 0)
    until(lambda: len(descendants(started.process.pid)) == AHEAD + 2, "a child has started")
    process.sock.close()
    process.control.close()
    until(lambda: len(descendants(started.process.pid)) == AHEAD, "the child has ended")


def test_the_processor_time_that_is_used_up_is_named(server: WarmServer) -> None:
    session = session_of(server, "import signal\nsignal.setitimer = signal.alarm = lambda *words: None\nwhile True:\n    pass", limits=Limits(cpu=2, cell=100.0))
    session.start()
    session.end()
    assert session.cells["cell-0"]["kind"] == ENDED
    assert "used up its processor time" in session.cells["cell-0"]["text"]


def test_a_request_that_makes_no_sense_is_no_reason_to_end(server: WarmServer) -> None:
    import socket

    for header in (b"{", b"[]", b"{}", b'{"limits": {"odd": 1}, "seed": 0}', b'{"limits": 5, "seed": 0}', b'{"limits": {}, "seed": "x"}'):
        mine, theirs = socket.socketpair()
        control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with mine, theirs, control:
            control.connect(server.path)
            socket.send_fds(control, [header], [theirs.fileno()])
            control.settimeout(60)
            assert control.recv(100) == b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.connect(server.path)  # and says nothing
    assert told(server, "said = 1") == 1


def test_many_children_at_once(server: WarmServer) -> None:
    sessions = [session_of(server, f"import os\nprint({number}, os.getpid(), os.listdir('/tmp/work'))\nopen('{number}', 'w')") for number in range(6)]
    for session in sessions:
        session.start()
    assert [session.cells["cell-0"]["printed"] for session in sessions] == [f"{number} 1 []\n" for number in range(6)]
    for session in sessions:
        session.end()


def test_a_server_that_is_gone_is_said_plainly() -> None:
    with RunningServer(sandbox=True, models=False) as server:
        pass
    with pytest.raises(WarmServerError, match=r"the warm server is gone .* run `grader autograde` again"):
        server.learner(Limits(), 0)


def groups_named(text: str) -> list[Path]:
    return [path for name in GROUPS for path in (cgroup.ROOT / name).glob(f"*{text}*")]


STARTER = """
import sys, threading
from grader.fleet.client import RunningServer
from grader.fleet.bundle import Bundle, CellTask
from grader.fleet.session import Session
from grader.sandbox.limits import Limits
started = RunningServer(sandbox=True, models=False)
server = started.__enter__()
session = Session(Bundle("a", "b", "c", (CellTask("x", "", "import os, signal\\nif os.fork() == 0:\\n    signal.pause()"),), (), {}), server, 0)
session.start()
print(started.process.pid, flush=True)
threading.Event().wait()
"""


def test_the_server_ends_with_whoever_started_it_and_leaves_nothing() -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True, cwd=paths.ROOT)
    assert starter.stdout is not None
    try:
        pid = int(starter.stdout.readline())
        until(lambda: len(descendants(pid)) == AHEAD + 3, "the outer process, the learner's, and its child")
        below, groups = descendants(pid), groups_named(f"handbook-grader-{pid}")
    finally:
        starter.kill()  # with SIGKILL
        starter.communicate()
    assert bool(groups) == can_group()
    until(lambda: not (below | {pid}) & set(running()), "server and children have ended")
    until(lambda: not groups_named(f"handbook-grader-{pid}"), "the control groups are gone")


def test_the_models_are_there_at_once_and_shared() -> None:
    from handbook.models.wheels import cache_dir

    if not any(cache_dir().glob("*")):
        pytest.skip("the models have not been fetched")
    with RunningServer(sandbox=True) as server:
        assert server.missing == ()
        said = told(server, """
import time, handbook
def private():
    rows = {line.split(':')[0]: int(line.split()[1]) for name in ('smaps_rollup', 'status') for line in open('/proc/self/' + name) if 'kB' in line}
    return rows['Private_Dirty'] - rows['RssShmem']  # weights are in a file in memory, which all children map
before, began = private(), time.perf_counter()
model = handbook.load_lm()
spent, loaded = time.perf_counter() - began, private() - before
size = sum(weight.numel() * weight.element_size() for weight in model.model.parameters())
text = model.generate('The capital of France is', max_new_tokens=3)
said = {'seconds': spent, 'MiB': loaded / 1024, 'weights': size / 2**20, 'after use': (private() - before) / 1024, 'text': text}
""", limits=Limits(cell=120.0, cpu=100))
    assert said["seconds"] < 0.5, said
    assert said["weights"] > 200, said
    assert said["MiB"] < 20, said
    assert said["after use"] < said["weights"] / 2, said
    assert said["text"], said


@pytest.mark.skipif(not can_group(), reason="this account may not make control groups")
def test_a_server_that_was_killed_leaves_no_control_group_either() -> None:
    started = RunningServer(sandbox=True, models=False)
    with started as server:
        session = session_of(server, "x = 1")
        session.start()
        children = descendants(started.process.pid)
        assert groups_named(f"handbook-grader-{started.process.pid}")
        started.process.kill()
        until(lambda: not children & set(running()), "the children have ended with it")
        session.close()
    assert groups_named(f"handbook-grader-{started.process.pid}") == []


AS_NOBODY = """
import json, os, sys
from pathlib import Path
from grader.sandbox import syscalls
prefix, wanted = sys.argv[1], sys.argv[2:]
syscalls.unshare(syscalls.NEWNS)  # Python may lie in a folder of root's: here, and only here, that folder is open
syscalls.mount("none", "/", flags=syscalls.RECURSIVE | syscalls.PRIVATE)
for folder in map(Path, json.loads(prefix)):
    closed = [path for path in folder.parents if not path.stat().st_mode & 1]
    if closed:
        held = os.open(folder, os.O_PATH)
        syscalls.mount("tmpfs", str(closed[-1]), "tmpfs", 0, "mode=755")
        os.makedirs(folder)
        syscalls.mount(f"/proc/self/fd/{held}", str(folder), flags=syscalls.BIND | syscalls.RECURSIVE)
os.execvp(wanted[0], wanted)
"""
TRIED = """
import json, os
from grader import paths
from grader.fleet.client import RunningServer
from tests.e2e.test_warm_server import told
with RunningServer(sandbox=True, models=False) as server:
    said = told(server, '''
import os
def attempt(path):
    try:
        open(os.path.join(path, "mark"), "w")
        return True
    except OSError:
        return False
said = {"uid": os.getuid(), "pids": [name for name in os.listdir("/proc") if name.isdigit()], "tmp": sorted(os.listdir("/tmp")),
        "secrets": [path for path in %r if os.path.isdir(path) and os.listdir(path)], "written": [path for path in %r if attempt(path)],
        "capabilities": [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")]}
''' % ([str(path) for path in (paths.CHECKS, paths.HIDDEN, paths.SOLUTIONS, paths.BUILD, paths.ROOT / "tests")], [str(paths.ROOT / "grader"), str(paths.COURSE / "handbook"), "/"]))
    print(json.dumps({"level": server.level, "server": os.getuid(), **said}))
"""


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="these tests run as an ordinary user already")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv to become an ordinary user with")
def test_an_ordinary_user_may_grade_too_from_a_course_below_tmp() -> None:
    with tempfile.TemporaryDirectory(prefix="course-") as name:
        copy = Path(name)
        copy.chmod(0o755)
        for part in ("grader", "course", "solutions", "tests"):
            shutil.copytree(paths.ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["chmod", "-R", "a+rX", name], check=True)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-B", "-c", TRIED]
        folders = json.dumps([sys.prefix, sys.base_prefix])
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{name}:{name}/course", "HOME": "/nonexistent", "OMP_NUM_THREADS": "1", "HANDBOOK_CACHE": f"{name}/cache",
                       "HANDBOOK_BUILD": f"{name}/build"}
        done = subprocess.run([sys.executable, "-B", "-c", AS_NOBODY, folders, *command], cwd=name, env=environment, capture_output=True, text=True,
                              timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        said = json.loads(done.stdout)
        assert list(copy.rglob("mark")) == []
    assert said["level"].startswith(("level 2", "level 3")), said
    assert (said["server"], said["uid"], said["pids"]) == (65534, 65534, ["1"])
    assert said["capabilities"] == ["0" * 16]
    assert (said["secrets"], said["written"]) == ([], [])
    assert said["tmp"] == sorted({copy.name, "work", *_below_tmp(Path(sys.prefix), Path(sys.base_prefix))})


def test_a_machine_without_libseccomp_and_control_groups_reaches_namespaces() -> None:
    """Also where the learner's user may not read this Python: nothing is imported after the change of user."""
    without = ("import sys; sys.modules['pyseccomp'] = None\nfrom grader.sandbox import cgroup\ncgroup.open_groups = lambda name: cgroup.Groups()\n"
               "from grader.sandbox.level import _try_here\nprint(_try_here())")
    done = subprocess.run([sys.executable, "-c", without], cwd=paths.ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("2 "), done
