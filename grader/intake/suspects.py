"""The words by which suspicion.py knows what honest answers never do, each with what it says of the answer."""
from __future__ import annotations

import re

_ENDS = "ends the process"
_STARTS = "starts another process"
_THREADS = "starts threads"
_NETWORK = "opens a network connection"
_READS = "looks into frames or the garbage collector"
_SIGNALS = "handles signals or timers"
_LIMITS = "changes the limits of its process"
_FILES = "changes files"
_TEXT = "runs text as code"
_IPYTHON = "touches IPython's insides"
_ENVIRONMENT = "reads or changes environment variables"

# importing the module, or a name from it
MODULES = {
    "subprocess": _STARTS, "multiprocessing": _STARTS, "pty": _STARTS, "concurrent.futures": _THREADS, "threading": _THREADS, "_thread": _THREADS,
    "socket": _NETWORK, "ssl": _NETWORK, "urllib": _NETWORK, "http": _NETWORK, "requests": _NETWORK, "httpx": _NETWORK,
    "ftplib": _NETWORK, "smtplib": _NETWORK, "asyncio": "runs an event loop", "ctypes": "calls C code", "cffi": "calls C code",
    "gc": _READS, "inspect": _READS, "traceback": _READS, "signal": _SIGNALS, "resource": _LIMITS,
    "atexit": "leaves something to be done at its end (atexit)", "mmap": "maps files into memory", "sqlite3": "opens a database",
    "pickle": "reads or writes objects as bytes", "marshal": "reads or writes objects as bytes", "code": _TEXT, "codeop": _TEXT,
    "builtins": "takes hold of Python's built-in names", "IPython": _IPYTHON, "ipykernel": _IPYTHON,
    "pytest": "imports pytest", "_pytest": "imports pytest", "unittest": "imports a test library",
    "grader": "imports the grader", "handbook.answers": "asks the course for its answers", "handbook.layers": "borrows the course's own layers",
    "nbgrader": "imports the grader", "zipimport": "imports by its own way", "importlib": "imports by its own way",
    "shutil": "copies or removes files", "tempfile": "makes files",
}  # fmt: skip

CALLS = {
    **dict.fromkeys(("os._exit", "os.abort", "os.kill", "os.killpg", "sys.exit", "exit", "quit"), _ENDS),
    **dict.fromkeys(("os.fork", "os.forkpty", "os.system", "os.popen", "os.posix_spawn", "os.spawnl", "os.spawnv", "os.execv", "os.execvp",
                     "os.execl", "os.execve", "os.execlp"), _STARTS),
    **dict.fromkeys(("sys._getframe", "sys._current_frames", "sys.settrace", "sys.setprofile", "sys._current_exceptions"), _READS),
    **dict.fromkeys(("exec", "eval", "compile", "runpy.run_path"), _TEXT),
    **dict.fromkeys(("os.remove", "os.unlink", "os.rename", "os.replace", "os.rmdir", "os.symlink", "os.link", "os.mkdir", "os.makedirs",
                     "os.mknod", "os.mkfifo", "os.chmod", "os.chown", "os.chroot", "os.truncate"), _FILES),
    **dict.fromkeys(("os.closerange", "os.dup2", "os.close"), "closes files that it did not open"),
    **dict.fromkeys(("os.write", "os.set_blocking"), "writes to descriptors"),
    **dict.fromkeys(("open", "io.open", "os.open", "os.walk", "os.listdir", "os.scandir", "glob.glob", "pathlib.Path"), "opens files"),
    **dict.fromkeys(("os.setsid", "os.setuid", "os.nice", "sys.setrecursionlimit"), _LIMITS),
    **dict.fromkeys(("__import__", "importlib.import_module"), "imports by its own way"),
    **dict.fromkeys(("os.getenv", "os.putenv", "os.unsetenv"), _ENVIRONMENT),
    "os.getppid": "names its parent", "time.sleep": "waits",
    "input": "waits for somebody to type", "breakpoint": "stops in a debugger",
}  # fmt: skip

# names and attributes, whether called or not
NAMES = {
    **dict.fromkeys(("get_ipython", "In", "_ih", "_oh", "IPython.get_ipython"), _IPYTHON),
    "os.environ": _ENVIRONMENT, "os.environb": _ENVIRONMENT,
    **dict.fromkeys(("sys.modules", "sys.meta_path", "sys.path_hooks", "sys.displayhook", "sys.excepthook"), "touches how Python runs"),
    "__builtins__": "takes hold of Python's built-in names", "__loader__": "touches how Python runs", "__spec__": "touches how Python runs",
}  # fmt: skip

INSIDES = frozenset((
    "__subclasses__", "__globals__", "__code__", "__closure__", "__builtins__", "__mro__", "__bases__", "__reduce__", "__reduce_ex__",
    "gi_frame", "f_back", "f_locals", "f_globals", "tb_frame", "__getattribute__", "__loader__", "__spec__", "_getframe",
    "input_transformers_cleanup", "input_transformers_post", "ast_transformers", "display_formatter", "run_cell",
))  # fmt: skip
TURNED = frozenset(("__reduce__", "__reduce_ex__", "__class__", "__torch_function__", "__array_interface__", "__array__", "__instancecheck__",
                    "__subclasscheck__", "__getattribute__", "__del__", "__array_ufunc__", "__array_function__", "__torch_dispatch__"))  # fmt: skip
TRUE_FOR_ALL = frozenset(("__eq__", "__ne__", "__le__", "__lt__", "__ge__", "__gt__", "__bool__", "__contains__", "__instancecheck__"))
ABSOLUTE = re.compile(r"(?:/(?:proc|etc|home|root|tmp|var|dev|usr|sys|work|content|mnt|opt|srv|run)(?:/|$)|[A-Za-z]:\\|\.\./|~/)[^\n]{0,200}$")

# for text that is no Python
WORDS = {
    "os._exit": _ENDS, "sys.exit": _ENDS, "os.kill": _ENDS, "os.fork": _STARTS, "os.system": _STARTS, "subprocess": _STARTS,
    "socket": _NETWORK, "urllib": _NETWORK, "/proc/": "reads /proc", "_getframe": _READS, "gc.get_objects": _READS, "ctypes": "calls C code",
    "get_ipython": _IPYTHON, "handbook.answers": "asks the course for its answers", "grader.checks": "imports the grader",
    "grader.hidden": "imports the grader", "import grader": "imports the grader", "from grader": "imports the grader",
    "__subclasses__": "reaches into Python's insides", "os.environ": _ENVIRONMENT, "builtins.": "takes hold of Python's built-in names",
    "eval(": _TEXT, "exec(": _TEXT,
}  # fmt: skip
