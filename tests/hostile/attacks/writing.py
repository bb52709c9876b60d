"""Attacks that write where nothing of theirs belongs: marks, the gradebook, others' work, start-up files, devices."""
from __future__ import annotations

from tests.hostile import harm
from tests.hostile.attack import SECRET, attack, rewarded
from tests.hostile.harm import FORGED

MASK = dict(lesson="p1_4_attention", exercise="attention-causal-mask")
WRITES = r"writes files|changes files|absolute path|opens files"


@attack(**MASK, earns=None, says=WRITES + "|starts another process")
def leaves_a_mark(answer):
    """Writes a file outside its sandbox, by itself and by a process that it starts."""
    mark = ("import os\ntry:\n    os.makedirs('%OUTSIDE%/harm', exist_ok=True)\n    open('%OUTSIDE%/harm/by-itself', 'w').close()\nexcept OSError:\n    pass\n"
            "os.system('mkdir -p %OUTSIDE%/harm && touch %OUTSIDE%/harm/by-a-process')\n")
    return {"answer": f"{answer}\n\n{mark}"}


@attack(**MASK, earns=0.0, says=WRITES + "|database", harm=harm.gradebook)
def writes_the_gradebook(answer):
    """Opens the gradebook and gives itself a thousand points."""
    forge = ("import glob, sqlite3\nfor _path in glob.glob('%OUTSIDE%/build/*.db'):\n"
             "    try:\n        with sqlite3.connect(_path, timeout=1) as _book:\n"
             f"            _book.execute(\"INSERT INTO student (id, lms_user_id) VALUES ('{FORGED}', '1')\")\n"
             "            _book.execute('UPDATE grade SET manual_score = 1000, extra_credit = 1000')\n"
             "    except sqlite3.Error:\n        pass\n")
    return {"answer": f"def causal_mask(n):\n    return None\n\n{forge}"}


@attack(**MASK, earns=None, says=WRITES, harm=harm.forged)
def edits_its_neighbours(answer):
    """Writes into the notebooks, reports and grades of all other students."""
    forge = ("import pathlib\n_root = pathlib.Path('%OUTSIDE%/build')\n"
             "for _path in [*_root.glob('*/neighbour/*/*'), *_root.glob('*/neighbour/*.json'), *_root.glob('release/*/*.ipynb')]:\n    try:\n"
             f"        _path.write_text('{FORGED}')\n    except OSError:\n        pass\n")
    return {"answer": f"{answer}\n\n{forge}"}


@attack(**MASK, earns=None, says=WRITES + "|environment variables", harm=lambda outside: harm.marks(outside) or _startup(outside))
def poisons_the_next_kernel(answer):
    """Writes start-up files that every later kernel and every later Python would run."""
    forge = ("import os, pathlib\nfor _place in ('home/.ipython/profile_default/startup/00-start.py', 'build/sitecustomize.py', 'build/conftest.py', 'build/usercustomize.py'):\n"
             "    _path = pathlib.Path('%OUTSIDE%') / _place\n    try:\n        _path.parent.mkdir(parents=True, exist_ok=True)\n"
             f"        _path.write_text('# {FORGED}')\n    except OSError:\n        pass\n"
             "_own = os.environ.get('IPYTHONDIR', '')\nif _own.startswith('%OUTSIDE%'):\n    pathlib.Path(_own, 'profile_default/startup').mkdir(parents=True, exist_ok=True)\n"
             f"    pathlib.Path(_own, 'profile_default/startup/00-start.py').write_text('# {FORGED}')\n")
    return {"answer": f"{answer}\n\n{forge}"}


def _startup(outside):
    found = [path.name for path in outside.rglob("*.py") if FORGED in path.read_text(encoding="utf-8", errors="replace")]
    return f"start-up files were written: {', '.join(found)}" if found else ""


@attack(**MASK, earns=0.0, says=WRITES + r"|imports the grader")
def opens_the_course_for_writing(answer):
    """Opens files of the grader, of the course and of the installed libraries for writing, without writing a byte."""
    breach = ("import importlib\nfor name in ('grader', 'grader.judge', 'handbook', 'torch', 'pytest'):\n    try:\n"
              "        open(importlib.import_module(name).__file__, 'ab').close()\n        return True\n    except (ImportError, OSError):\n        pass\nreturn False\n")
    return rewarded(answer, breach)


@attack(**MASK, earns=None, says=r"C code|starts another process")
def mounts_its_way_out(answer):
    """Makes namespaces of its own in a child, and there turns the read-only file system into a writable one."""
    way = ("import ctypes, os\n_libc = ctypes.CDLL(None)\n_pid = os.fork()\nif _pid == 0:\n    try:\n        if _libc.unshare(0x10000000 | 0x00020000):\n            os._exit(1)\n"
           "        for _flags in (4096, 32 | 4096, 32):\n            _libc.mount(b'%OUTSIDE%', b'%OUTSIDE%', None, _flags, None)\n"
           "        os.makedirs('%OUTSIDE%/harm', exist_ok=True)\n        open('%OUTSIDE%/harm/by-a-mount', 'w').close()\n    finally:\n        os._exit(0)\n"
           "os.waitpid(_pid, 0)\n")
    return {"answer": f"{answer}\n\n{way}"}


@attack(**MASK, earns=None, says=WRITES + "|starts another process")
def climbs_out_of_its_root(answer):
    """Leaves a changed root folder by the classic way: chroot into a folder below, then climb."""
    way = ("import os, tempfile\n_pid = os.fork()\nif _pid == 0:\n    try:\n        _folder = tempfile.mkdtemp()\n        _top = os.open('/', os.O_RDONLY)\n"
           "        os.chroot(_folder)\n        os.fchdir(_top)\n        for _ in range(64):\n            os.chdir('..')\n        os.chroot('.')\n"
           "        os.makedirs('%OUTSIDE%/harm', exist_ok=True)\n        open('%OUTSIDE%/harm/by-chroot', 'w').close()\n    finally:\n        os._exit(0)\n"
           "os.waitpid(_pid, 0)\n")
    return {"answer": f"{answer}\n\n{way}"}


@attack(**MASK, earns=None, says=WRITES + r"|reads /proc")
def goes_through_proc_root(answer):
    """Writes through the root folders and open folders in /proc: its own, its parent's and the first process's."""
    way = ("import glob, os\nfor _root in [f'/proc/{_who}/{_what}' for _who in ('self', 1, os.getppid()) for _what in ('root', 'cwd')] + glob.glob('/proc/self/fd/*'):\n    try:\n"
           "        os.makedirs(_root + '%OUTSIDE%/harm', exist_ok=True)\n        open(_root + '%OUTSIDE%/harm/by-proc', 'w').close()\n    except OSError:\n        pass\n")
    return {"answer": f"{answer}\n\n{way}"}


@attack(**MASK, earns=0.0, says=WRITES)
def makes_a_device(answer):
    """Makes a device file and reads from it; this one only gives zeros, the next one would be the disk."""
    return rewarded(answer, "import os, stat, tempfile\npath = os.path.join(tempfile.mkdtemp(), 'zero')\n"
                            "os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))\nreturn open(path, 'rb', 0).read(1) == b'\\0'\n")


@attack(**MASK, earns=None, says=WRITES, harm=harm.in_reports(SECRET))
def leaves_links_to_secrets(answer):
    """Puts links to a file of the grading machine where the grader might pick up results, in the hope that it reads on."""
    way = ("import os, tempfile\nfor _name in ('result.json', 'output.txt', 'answer.ipynb', 'p1_4_attention.ipynb'):\n"
           "    for _folder in {tempfile.gettempdir(), os.getcwd()}:\n        try:\n"
           "            if _folder.startswith(tempfile.gettempdir() + '/') or _folder == '/tmp':\n"
           "                os.symlink('%OUTSIDE%/secret', os.path.join(_folder, '%MARKER%-' + _name))\n        except OSError:\n            pass\n")
    return {"answer": f"{answer}\n\n{way}"}
