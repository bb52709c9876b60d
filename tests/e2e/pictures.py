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
MISTAKE = "The scores are not divided by the square root of D."
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
                     .jp-Notebook .jp-Cell {border-color: transparent !important} .jp-Collapser {visibility: hidden}`;
document.head.append(style);
for (const editor of document.querySelectorAll(".cm-scroller")) editor.scrollLeft = 0;
document.activeElement.blur();
"""


def lesson(page: NotebookPage) -> bytes:
    """A section of a lesson: its heading, the demonstration, and the picture out of the real model."""
    page.open_notebook(NOTEBOOK)
    page.click("[data-id='table-of-contents']")
    page.one(".jp-TableOfContents-content")
    page.run(f"setup-{STEM}")
    page.run(after(page, f"setup-{STEM}"), seconds=180)  # loads the model
    heading = next(name for name in page.ids if "Several questions at once" in page.cell(name).text)
    page.run(after(page, heading), seconds=60)
    page.until(lambda: page.cell(after(page, heading)).find_elements(By.CSS_SELECTOR, ".jp-OutputArea-output img"), "the picture")
    return shot(page, heading)


def card(page: NotebookPage) -> bytes:
    """The card that names the mistake of a wrong answer, and the call that it comes from."""
    exercise = "attention-scaled-dot-product"
    page.open_notebook(NOTEBOOK)
    page.run(f"setup-{STEM}")
    page.write(exercise, WRONG)
    page.run(exercise)
    assert MISTAKE in page.run(f"{exercise}-check"), f"the card does not say {MISTAKE!r}; run `grader mutants {STEM}` and try again"
    page.driver.execute_script(TIDY)
    return bytes(page.cell(f"{exercise}-check").screenshot_as_png)


def start(page: NotebookPage) -> bytes:
    """The start page, with the progress of a learner who has begun."""
    rows = {name: {"passed": True, "points": points, "tries": 1} for name, points in PROGRESS.items()}
    (page.lab.root / ".progress.json").write_text(json.dumps(rows), encoding="utf-8")
    page.open_notebook("exercises/start.ipynb")
    page.run("start-progress")
    return shot(page, "start-opening")


PICTURES: dict[str, Callable[[NotebookPage], bytes]] = {"lesson": lesson, "card": card, "start": start}


def after(page: NotebookPage, name: str) -> str:
    """The id of the cell after this one."""
    return str(page.ids[page.ids.index(name) + 1])


def shot(page: NotebookPage, name: str) -> bytes:
    """The whole window, with this cell at the top and no cell marked."""
    page.driver.execute_script(TIDY)
    page.driver.execute_script("arguments[0].scrollIntoView()", page.cell(name))
    return bytes(page.driver.get_screenshot_as_png())


def save(path: Path, data: bytes) -> Path:
    """Write a picture with all its colours: fewer would turn the small green ticks blue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(data)).convert("RGB").save(path, optimize=True)
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
            with running_browser(lab, width=1200, height=1023) as page:
                print(save(chosen.to / f"{name}.png", PICTURES[name](page)))


if __name__ == "__main__":
    main()
