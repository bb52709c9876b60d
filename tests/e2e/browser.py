"""A learner's or an instructor's screen: JupyterLab on a copy of the course, in a headless Chromium that tests can drive."""
from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from handbook.models import cache_dir
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, TimeoutException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from grader import paths

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars")
SETTINGS = {  # of JupyterLab; all cells are on the page, also those out of sight
    "notebook-extension/tracker": {"windowingMode": "none", "recordTiming": False},
    "docmanager-extension/plugin": {"autosave": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
NAME = "llm-engineers-handbook"
SKIPPED = shutil.ignore_patterns("__pycache__", ".*")


def missing_programs() -> list[str]:
    """The programs that a browser run needs and that are not on the PATH."""
    return [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


def copy_course(home: Path, stem: str) -> Path:
    """The course with one lesson of notebooks, ours and the learner's, in a folder where everything may be written to."""
    root = home / NAME
    for name in ("grader", "course"):
        shutil.copytree(paths.ROOT / name, root / name, ignore=SKIPPED)
    for name in ("nbgrader_config.py", "exercises/start.ipynb", *(str(path.relative_to(paths.ROOT)) for folder in (paths.EXERCISES, paths.SOLUTIONS)
                                                                   for path in folder.glob(f"*/{stem}.ipynb"))):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths.ROOT / name, root / name)
    (root / "build" / "exchange").mkdir(parents=True)
    return root


def own_environment(home: Path) -> dict[str, str]:
    """Variables for the copy's processes: a home of their own, the machine's models, one thread, no hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "HANDBOOK", "COURSE", "NBGRADER", "PYTEST"))}
    path = os.pathsep.join((os.path.dirname(sys.executable), kept.get("PATH", "")))  # nbgrader calls `alembic` by its name
    own = os.pathsep.join((str(home / NAME), str(home / NAME / "course")))  # before the course that this environment was made for
    return {**kept, "PATH": path, "PYTHONPATH": own, "HOME": str(home), "HANDBOOK_CACHE": str(cache_dir()), "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def run_grader(root: Path, *words: str | Path) -> str:
    """A verb of the command line in the copy. What it said; a failure says why."""
    command = [sys.executable, "-m", "grader", *map(str, words)]
    done = subprocess.run(command, cwd=root, env=own_environment(root.parent), capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, f"grader {words[0]}: {done.stdout}{done.stderr}"
    return done.stdout


class Lab:
    """The address of a running JupyterLab."""

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.port, self.token = root, port, secrets.token_hex(16)
        self.settings = root.parent / "lab-settings"
        for name, values in SETTINGS.items():
            self.set(name, **values)

    def set(self, name: str, **values: Any) -> None:
        """Change a setting, before a page is opened."""
        path = self.settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}{'&' if '?' in path else '?'}token={self.token}"

    def answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(self.url("api/status"), timeout=5) as reply:
            return bool(reply.status == 200)
        return False


@contextlib.contextmanager
def running_lab(root: Path, *, seconds: float = 90) -> Iterator[Lab]:
    """JupyterLab in the copy's folder, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        lab = Lab(root, probe.getsockname()[1])
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={lab.port}", "--ServerApp.port_retries=0",
               f"--IdentityProvider.token={lab.token}", f"--LabApp.user_settings_dir={lab.settings}", "--allow-root"]
    log = root.parent / "lab.log"
    with log.open("w", encoding="utf-8") as out:
        server = subprocess.Popen(command, cwd=root, env=own_environment(root.parent), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                  start_new_session=True)
    try:
        until = time.monotonic() + seconds
        while not lab.answers():
            assert server.poll() is None, f"JupyterLab ended early:\n{log.read_text()}"
            assert time.monotonic() < until, f"JupyterLab has not answered within {seconds:.0f} s:\n{log.read_text()}"
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=0.1)
        yield lab
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()


class Screen:
    """One browser window."""

    def __init__(self, driver: Any, lab: Lab) -> None:
        self.driver, self.lab = driver, lab

    def open(self, path: str) -> None:
        self.driver.get(self.lab.url(path))

    def until(self, condition: Callable[[], Any], what: str, *, seconds: float = 30) -> Any:
        """What a condition gives as soon as it is not empty; it may fail while the page changes. Fails with what was awaited."""
        def attempt(_: Any) -> Any:
            try:
                return condition()
            except (StaleElementReferenceException, NoSuchElementException):
                return None

        try:
            return WebDriverWait(self.driver, seconds, poll_frequency=0.1).until(attempt)
        except TimeoutException:
            shown = self.driver.find_element(By.TAG_NAME, "body").text[-1500:]
            raise AssertionError(f"not within {seconds:.0f} s: {what}. The page shows:\n{shown}") from None

    def all(self, css: str, text: str = "") -> list[WebElement]:
        """The visible elements that match, and that hold this text."""
        return [element for element in self.driver.find_elements(By.CSS_SELECTOR, css) if element.is_displayed() and text in element.text]

    def one(self, css: str, text: str = "", *, seconds: float = 30) -> WebElement:
        """The first visible element of this kind, once it is there."""
        found: list[WebElement] = self.until(lambda: self.all(css, text), f"{css} with {text!r}" if text else css, seconds=seconds)
        return found[0]

    def click(self, css: str, text: str = "", *, seconds: float = 30) -> None:
        """Click an element once it is there and nothing lies on it."""
        def attempt() -> bool:
            try:
                self.all(css, text)[0].click()
            except (IndexError, WebDriverException):
                return False
            return True

        self.until(attempt, f"a click on {css} {text}".strip(), seconds=seconds)

    @contextlib.contextmanager
    def inside(self, css: str) -> Iterator[None]:
        """Look inside a frame while the block runs."""
        self.driver.switch_to.frame(self.one(css))
        try:
            yield
        finally:
            self.driver.switch_to.default_content()


class NotebookPage(Screen):
    """A notebook that is open in JupyterLab."""

    def open_notebook(self, path: str) -> None:
        """Open it by its path below the course's folder, and wait for its kernel."""
        table = json.loads((self.lab.root / path).read_text(encoding="utf-8"))
        self.ids = [cell["id"] for cell in table["cells"]]
        self.open(f"lab/tree/{path}?reset")
        self.until(lambda: len(self.driver.find_elements(By.CSS_SELECTOR, ".jp-Notebook .jp-Cell")) >= len(self.ids), "all cells", seconds=60)
        self.one("#jp-main-statusbar", "Python 3 (ipykernel) | Idle", seconds=60)  # earlier, a run would ask which kernel to take

    def cell(self, name: str) -> WebElement:
        """The cell with this id, brought into view."""
        cell = self.driver.find_elements(By.CSS_SELECTOR, ".jp-Notebook .jp-Cell")[self.ids.index(name)]
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", cell)
        return cell

    def output(self, name: str) -> str:
        """What a cell has shown, as HTML."""
        return "".join(part.get_attribute("innerHTML") for part in self.cell(name).find_elements(By.CSS_SELECTOR, ".jp-OutputArea-output"))

    def write(self, name: str, source: str) -> None:
        """Replace a cell's source, as a learner does who pastes an answer."""
        self.until(lambda: self._enter(name), f"the cursor in {name}")
        self._keys(Keys.CONTROL, "a")
        self.driver.execute_cdp_cmd("Input.insertText", {"text": source})
        last = source.strip().splitlines()[-1].strip()
        self.until(lambda: last in self.cell(name).text, f"{last!r} in {name}")

    def run(self, name: str, *, seconds: float = 60) -> str:
        """Run one cell and wait until it has been run. Its output as HTML."""
        self.until(lambda: self._enter(name), f"the cursor in {name}")
        before = self._prompt(name)
        self._keys(Keys.CONTROL, Keys.ENTER)
        self.until(lambda: self._prompt(name) not in (before, "[*]:"), f"the end of {name}", seconds=seconds)
        return self.output(name)

    def validate(self, *, seconds: float = 120) -> str:
        """Press nbgrader's Validate. The text of its dialog, which is closed again."""
        self.click("jp-button.validate-button")
        dialog = self.one(".jp-Dialog #validation-message", seconds=seconds)
        text = dialog.text
        self.click(".jp-Dialog button.jp-mod-accept")
        self.until(lambda: not self.all(".jp-Dialog"), "the dialog closed")
        return text

    def _prompt(self, name: str) -> str:
        return str(self.cell(name).find_element(By.CSS_SELECTOR, ".jp-InputPrompt").get_attribute("textContent"))

    def _enter(self, name: str) -> bool:
        for folded in self.cell(name).find_elements(By.CSS_SELECTOR, ".jp-InputPlaceholder"):
            folded.click()
        editor = self.cell(name).find_element(By.CSS_SELECTOR, ".cm-content")
        with contextlib.suppress(WebDriverException):
            editor.click()
        return bool(self.driver.switch_to.active_element == editor)

    def _keys(self, held: str, key: str) -> None:
        webdriver.ActionChains(self.driver).key_down(held).send_keys(key).key_up(held).perform()


@contextlib.contextmanager
def running_browser(lab: Lab, *, width: int = 1280, height: int = 900, scale: float = 1) -> Iterator[NotebookPage]:
    """A Chromium with a profile of its own, until the block ends."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    profile = lab.root.parent / f"profile-{secrets.token_hex(4)}"
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", f"--force-device-scale-factor={scale}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.set_page_load_timeout(90)
        yield NotebookPage(driver, lab)
    finally:
        driver.quit()
