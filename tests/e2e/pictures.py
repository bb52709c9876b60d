"""Remake the pictures of the README: JupyterLab as a learner sees it. `make pictures`, or this file with names of pictures."""
from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from selenium.webdriver.common.by import By

from grader import paths
from tests.e2e.browser import NotebookPage, copy_course, missing_programs, running_browser, running_lab

FOLDER = paths.COURSE / "site" / "pictures"
STEM, PART = "p1_4_attention", "part1_introduction"
NOTEBOOK = f"exercises/{PART}/{STEM}.ipynb"
PROGRESS = {"attention-scaled-dot-product": 3, "attention-causal-mask": 1, "attention-heads": 2}  # an exercise and its points
WRONG = '''\
import torch
from torch import Tensor


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.mT
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1).nan_to_num(0.0) @ v'''
# Of Lab's own furniture, what says nothing in a picture
TIDY = """
const style = document.createElement("style");
style.textContent = ".jp-Toolbar-item[data-jp-item-name='trusted'], .jp-cell-toolbar, .jp-Notebook-footer, .jp-SideBar.jp-mod-right {visibility: hidden} * {caret-color: transparent !important}";
document.head.append(style);
"""


def lesson(page: NotebookPage) -> bytes:
    """The top of a lesson: what it is about, and a picture out of the real model."""
    page.open_notebook(NOTEBOOK)
    contents(page)
    page.run(f"setup-{STEM}")
    first = page.ids[page.ids.index(f"setup-{STEM}") + 1]
    page.run(first, seconds=180)
    page.until(lambda: page.cell(first).find_elements(By.CSS_SELECTOR, ".jp-OutputArea-output img"), "the picture")
    return shot(page, first)


def card(page: NotebookPage) -> bytes:
    """A wrong answer and the card that names its mistake, nothing around them."""
    exercise = "attention-scaled-dot-product"
    page.open_notebook(NOTEBOOK)
    page.run(f"setup-{STEM}")
    page.write(exercise, WRONG)
    page.run(exercise)
    page.run(f"{exercise}-check")
    page.driver.execute_script(TIDY)
    return page.cell(f"{exercise}-check").find_element(By.CSS_SELECTOR, ".jp-OutputArea-output").screenshot_as_png


def start(page: NotebookPage) -> bytes:
    """The start page, with the progress of a learner who has begun."""
    rows = {name: {"passed": True, "points": points, "tries": 1} for name, points in PROGRESS.items()}
    (page.lab.root / ".progress.json").write_text(json.dumps(rows), encoding="utf-8")
    page.open_notebook("exercises/start.ipynb")
    page.run("start-progress")
    return shot(page, "start-opening")


PICTURES: dict[str, Callable[[NotebookPage], bytes]] = {"lesson": lesson, "card": card, "start": start}


def contents(page: NotebookPage) -> None:
    """Show the table of contents instead of the files."""
    page.click("[data-id='table-of-contents']")
    page.one(".jp-TableOfContents-content")


def shot(page: NotebookPage, name: str) -> bytes:
    """The whole window, with this cell in the middle and no cell marked."""
    page.driver.execute_script(TIDY)
    page.cell(name)
    return bytes(page.driver.get_screenshot_as_png())


def save(name: str, data: bytes) -> Path:
    """Write a picture in 256 colours, which is enough for a screen and a third of the bytes."""
    path = FOLDER / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(io.BytesIO(data)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(PICTURES)}; all, if none is given")
    parser.add_argument("--theme", default="Light", choices=("Light", "Dark"), help="JupyterLab's theme")

    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(PICTURES):
        parser.error(f"there is no picture {', '.join(sorted(unknown))}; there are {', '.join(PICTURES)}")
    if missing := missing_programs():
        sys.exit(f"{' and '.join(missing)} not found; on Debian: apt install chromium chromium-driver")
    with tempfile.TemporaryDirectory(prefix="pictures-") as home, running_lab(copy_course(Path(home), STEM)) as lab:
        lab.set("apputils-extension/themes", theme=f"JupyterLab {chosen.theme}")
        for name in chosen.names or PICTURES:
            with running_browser(lab, width=1200, height=900) as page:
                print(save(name, PICTURES[name](page)))


if __name__ == "__main__":
    main()
