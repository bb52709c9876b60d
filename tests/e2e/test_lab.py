"""`make lab` where all is set up: JupyterLab answers soon, at the start page, with nbgrader's extensions at work."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from handbook.models import cache_dir

from grader.environment import venv
from grader.paths import ROOT

START = "exercises/start.ipynb"
SOON = 30  # seconds; measured 4.4 on two quiet cores, and tests share them
TOKEN = "a-token-for-this-test"

pytestmark = pytest.mark.slow


class Lab:
    """A running JupyterLab."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"

    def ask(self, path, *, data=None, timeout=60):
        """(final address, status, text) of a page."""
        request = urllib.request.Request(
            f"{self.address}/{path}", headers={"Authorization": f"token {TOKEN}"}, data=data
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as reply:
                return reply.url, reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.url, error.code, error.read().decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """`make lab` as a learner calls it, but without a browser and with a home of its own."""
    here = Path(sys.prefix)
    if not (here / venv.STAMP).exists() or not (ROOT / START).exists():
        pytest.skip("needs an environment made by `make setup` and notebooks made by `make build`")
    home, port = tmp_path_factory.mktemp("home"), free_port()
    flags = f"--no-browser --port={port} --ServerApp.port_retries=0 --IdentityProvider.token={TOKEN}"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "MAKE", "MFLAGS"))}
    env |= {"HOME": str(home), "HANDBOOK_CACHE": str(cache_dir()), "HANDBOOK_BUILD": str(home / "build")}
    command = ["make", "lab", f"VENV={here}", f"PYTHON={sys._base_executable}", f"LAB_FLAGS={flags}"]
    subprocess.run([*command[:1], "setup", *command[2:-1]], cwd=ROOT, env=env, check=True)  # this is to be a second one
    log = home / "lab.log"
    began = time.monotonic()
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        running = Lab(port)
        running.seconds = wait_for(running, process, log, began)
        running.home = home
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def wait_for(running, process, log, began):
    """Poll until the server answers. Returns the seconds since `began`."""
    while time.monotonic() - began < 90:
        assert process.poll() is None, f"make lab ended early:\n{log.read_text()}"
        with contextlib.suppress(OSError):
            if running.ask("api/status", timeout=5)[1] == 200:
                return time.monotonic() - began
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
    raise AssertionError(f"no answer after 90 s:\n{log.read_text()}")


def test_a_second_lab_is_soon_there(lab):
    print(f"make lab answered after {lab.seconds:.1f} s")
    assert lab.seconds < SOON


def test_the_front_door_leads_to_the_start_page(lab):
    address, status, _ = lab.ask("")
    assert (status, urllib.parse.urlparse(address).path) == (200, f"/lab/tree/{START}")
    _, status, text = lab.ask(f"api/contents/{START}")
    assert status == 200
    assert json.loads(text)["content"]["cells"][0]["id"] == "start-opening"


def test_lab_loads_nbgraders_extension_and_asks_nothing_about_news(lab):
    page = lab.ask("lab")[2]
    config = json.loads(page.split('id="jupyter-config-data" type="application/json">')[1].split("</script>")[0])
    assert "@jupyter/nbgrader" in [extension["name"] for extension in config["federated_extensions"]]
    assert config["disabledExtensions"].count("@jupyterlab/apputils-extension:announcements") == 1


def test_formgrader_answers(lab):
    assert lab.ask("nbgrader_version?version=0.9.6")[1:] == (200, '{"success": true}')
    _, status, page = lab.ask("formgrader")
    assert status == 200
    assert "Manage Assignments" in page or "Formgrader" in page
    _, status, text = lab.ask("formgrader/api/assignments")
    assert status == 200
    assert isinstance(json.loads(text), list)


def test_validate_runs_a_notebook(lab):
    data = urllib.parse.urlencode({"path": START}).encode()
    _, status, text = lab.ask("assignments/validate", data=data, timeout=120)
    assert status == 200
    assert json.loads(text)["success"] is True, text


def test_nothing_is_registered_outside_the_environment(lab):
    kernels = json.loads(lab.ask("api/kernelspecs")[2])
    assert kernels["default"] == "python3"
    assert not (lab.home / ".local" / "share" / "jupyter" / "kernels").exists()
    assert not (lab.home / ".jupyter" / "lab").exists() or not list((lab.home / ".jupyter").rglob("*extension*"))
