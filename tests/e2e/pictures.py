"""Remake the pictures of the README: JupyterLab as a learner sees it. `make pictures`, or this file with names of pictures."""
from __future__ import annotations

import argparse
import base64
import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

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
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError("q and k, or k and v, do not fit")
    scores = q @ k.mT
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1).nan_to_num(0.0) @ v'''
TIDY = """
const style = document.createElement("style");  // what of Lab's own furniture says nothing in a picture
style.textContent = `.jp-cell-toolbar, .jp-Notebook-footer, .jp-SideBar.jp-mod-right, .cm-cursorLayer {visibility: hidden !important}
                     .jp-Notebook .jp-Cell {border-color: transparent !important}`;
document.head.append(style);
for (const editor of document.querySelectorAll(".cm-scroller")) editor.scrollLeft = 0;
document.activeElement.blur();
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
    return clip(page, page.cell(exercise), page.cell(f"{exercise}-check"))


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


def clip(page: NotebookPage, first: WebElement, last: WebElement) -> bytes:
    """From the top of one cell to the end of another, however long that is."""
    begin, end = (page.driver.execute_script("const r = arguments[0].getBoundingClientRect(); return [r.left, r.top, r.width, r.bottom]", cell)
                  for cell in (first, last))
    area = {"x": begin[0], "y": begin[1], "width": begin[2], "height": end[3] - begin[1], "scale": 1}
    return base64.b64decode(page.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": area, "captureBeyondViewport": True})["data"])


def save(path: Path, data: bytes) -> Path:
    """Write a picture in 256 colours, which is enough for a screen and a third of the bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(io.BytesIO(data)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(PICTURES)}; all, if none is given")
    parser.add_argument("--theme", default="Light", choices=("Light", "Dark"), help="JupyterLab's theme")
    parser.add_argument("--to", type=Path, default=FOLDER, metavar="FOLDER", help="where to write them  [default: course/site/pictures]")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(PICTURES):
        parser.error(f"there is no picture {', '.join(sorted(unknown))}; there are {', '.join(PICTURES)}")
    if missing := missing_programs():
        sys.exit(f"{' and '.join(missing)} not found; on Debian: apt install chromium chromium-driver")
    with tempfile.TemporaryDirectory(prefix="pictures-") as home, running_lab(copy_course(Path(home), STEM)) as lab:
        lab.set("apputils-extension/themes", theme=f"JupyterLab {chosen.theme}")
        for name in chosen.names or PICTURES:
            with running_browser(lab, width=1200, height=1043) as page:
                print(save(chosen.to / f"{name}.png", PICTURES[name](page)))


if __name__ == "__main__":
    main()
