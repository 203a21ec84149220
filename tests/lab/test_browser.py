"""What people really see: JupyterLab and a saved film, in a browser.

Skipped where there is no Chromium, no JupyterLab or no playwright; QSIM_PICTURES=FOLDER keeps the screenshots.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from qsim import load

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MISSING = [name for name in ("playwright", "jupyterlab", "ipywidgets", "anywidget") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING) or not Path(CHROMIUM).exists(),
    reason=f"not installed: {', '.join(MISSING)}" if MISSING else "no Chromium: apt-get install chromium",
)
ROOT = Path(__file__).resolve().parents[2]
CELLS = [
    "from qsim import load\nfrom qsim.lab import explore, watch\ns = load('backlog-growth').set('run.duration', '2m')",
    "explore(s, {'consumers.worker.count': (6, 12)}, show=['orders.visible'], numbers=['orders.visible at end'])",
    "watch(load('two-live-copies').run())",
]


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab of our own on a notebook with sliders and a film."""
    home = tmp_path_factory.mktemp("home")
    (home / "sliders.ipynb").write_text(json.dumps(notebook(CELLS)), encoding="utf-8")
    told = ["jupyterlab", "sliders.ipynb", "--no-browser", "--allow-root", "--LabApp.default_url=/lab/tree/sliders.ipynb"]
    yield from served(told, home)


@pytest.fixture(scope="module")
def lessons(tmp_path_factory):
    """The address that ``qsim lab`` says to somebody who has never started it."""
    yield from served(["qsim", "lab", "--no-browser"], tmp_path_factory.mktemp("learner"))


def served(command, home):
    """Run the module in a home of its own, and end it; yields the address that it has told."""
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment = {name: value for name, value in environment.items() if not name.startswith(("JUPYTER", "IPYTHON", "XDG"))}
    with open(home / "log", "wb") as log:
        server = subprocess.Popen([sys.executable, "-m", *command], cwd=home, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield address_in(home / "log", server)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)


def address_in(log, server):
    for _ in range(600):
        if found := re.search(r"http://127\.0\.0\.1:\S+", log.read_text()):
            return found[0]
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def notebook(cells):
    code = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": text} for i, text in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": code}


def picture(page, name, of=None):
    if "QSIM_PICTURES" in os.environ:
        if of is not None:
            of.evaluate("it => it.scrollIntoView({block: 'center'})")
            page.wait_for_timeout(500)  # what was out of sight is drawn
        page.screenshot(path=str(Path(os.environ["QSIM_PICTURES"]) / f"{name}.png"))


# --- JupyterLab -------------------------------------------------------------------------------------------------------


def run_all(page, address):
    page.goto(address, timeout=60_000)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    page.wait_for_selector("text=/ipykernel.*Idle/", timeout=60_000)  # before, it would run nothing, and say nothing
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells")


def test_in_jupyterlab_a_slider_changes_the_plot_and_a_film_plays(chromium, lab):
    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    run_all(page, lab)
    state, plot = page.locator(".qsim-live .state"), page.locator(".qsim-live .picture")
    page.wait_for_function("document.querySelector('.qsim-live .state')?.textContent.startsWith('the whole run')", timeout=60_000)
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr'], .jp-RenderedText[data-mime-type*=error]").count() == 0
    before = plot.inner_html()
    assert "<svg" in before and "24,0" in before  # 1,000/s come and 800/s go, for two minutes
    picture(page, "lab-light")

    page.evaluate("window.said = []; new MutationObserver(() => said.push(document.querySelector('.qsim-live .state').textContent))"
                  ".observe(document.querySelector('.qsim-live'), {subtree: true, childList: true, characterData: true})")  # fmt: skip
    handle = page.locator(".widget-slider .noUi-handle, .jupyter-widgets .noUi-handle").first
    handle.focus()
    handle.press("ArrowRight")
    page.wait_for_function("before => document.querySelector('.qsim-live .picture').innerHTML !== before"
                           " && document.querySelector('.qsim-live .state').textContent.startsWith('the whole run')", arg=before, timeout=60_000)  # fmt: skip
    said = page.evaluate("said")
    assert any(text.startswith("last result") for text in said) and "the whole run" in state.inner_text()

    page.locator(".qsim-film").scroll_into_view_if_needed()
    page.click(".qsim-film [data-do=step]")
    page.wait_for_function("document.querySelector('.qsim-film .now').textContent.includes('LEASE ENDED')")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    picture(page, "lab-dark")
    page.close()


def test_a_first_learner_opens_lesson_01_runs_all_and_moves_a_slider(chromium, lessons):
    assert "/lab/tree/01-core-model.ipynb?token=" in lessons
    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    run_all(page, lessons)
    score = page.locator(".jp-OutputArea-output", has_text="01.4").last  # the last cell's
    score.wait_for(timeout=180_000)
    assert page.locator(".jp-RenderedText[data-mime-type*=error]").count() == 0
    assert "not answered yet" in score.inner_text()
    picture(page, "lesson-01-exercises")

    figure = "getComputedStyle(document.querySelector('.qsim-figure')).backgroundColor"
    faint = "getComputedStyle(document.querySelector('.qsim-figure use')).fill"
    light = page.evaluate(figure), page.evaluate(faint)
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    dark = page.evaluate(figure), page.evaluate(faint)
    assert light == ("rgb(253, 253, 252)", "rgb(89, 97, 107)") and dark == ("rgb(20, 23, 27)", "rgb(163, 171, 181)")
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    assert not page.locator(".qsim-figure img").first.is_visible()

    plot, before = page.locator(".qsim-live .picture"), "document.querySelector('.qsim-live .picture')"
    whole = "document.querySelector('.qsim-live .state')?.textContent.startsWith('the whole run')"
    plot.scroll_into_view_if_needed()
    page.wait_for_function(whole, timeout=60_000)
    picture(page, "lesson-01-eight-workers", of=plot)
    drawn = plot.inner_html()
    handle = page.locator(".jupyter-widgets .noUi-handle").first
    handle.focus()
    for _ in range(2):
        handle.press("ArrowRight")
    page.wait_for_function(f"drawn => {before}.innerHTML !== drawn && {whole}", arg=drawn, timeout=60_000)
    picture(page, "lesson-01-ten-workers", of=plot)
    page.close()


# --- a film by itself -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_a_saved_film_plays_steps_and_tells_without_network(chromium, tmp_path, width, scheme):
    from qsim.lab import watch

    saved = watch(load("two-live-copies").run()).save(tmp_path / "film.html")
    page = chromium.new_page(viewport={"width": width, "height": 760}, color_scheme=scheme)
    wrong, asked = [], []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(saved.as_uri())
    now, story = page.locator(".now"), page.locator(".story")

    page.click("[data-do=step]")
    page.wait_for_function("document.querySelector('.now').textContent.startsWith('5s')")
    assert "LEASE ENDED while charge-1 is still working" in now.inner_text()
    page.wait_for_timeout(1200)  # it has moved there
    where, box = page.evaluate("document.querySelector('.qsim-film').where('shop:0')"), page.locator("canvas").bounding_box()
    assert "Point at a message" in story.inner_text()
    page.mouse.move(box["x"] + where["x"], box["y"] + where["y"])
    page.wait_for_function("document.querySelector('.story').textContent.includes('shop:0')")
    assert "received charge-2" in story.inner_text() and "effect #1 charge-1  (later)" in story.inner_text()
    page.mouse.move(1, 1)

    page.locator(".qsim-film").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.now').textContent.startsWith('8s')")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('.now').textContent.startsWith('5s')")
    page.keyboard.press(" ")
    page.wait_for_function("parseFloat(document.querySelector('.time').textContent) > 8", timeout=60_000)
    assert page.locator("[data-do=play]").inner_text() == "Pause"
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('[data-do=play]').textContent === 'Play'")
    picture(page, f"film-{width}-{scheme}")
    ground = page.locator(".qsim-film-page")
    paper = {"light": "rgb(253, 253, 252)", "dark": "rgb(20, 23, 27)"}[scheme]
    assert ground.evaluate("it => getComputedStyle(it).backgroundColor") == paper  # of the page too, also below the film
    assert ground.evaluate("it => it.getBoundingClientRect().height >= innerHeight")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert wrong == [] and [url for url in asked if not url.startswith(("file:", "data:"))] == []
    page.close()


def test_who_wants_less_motion_gets_steps(chromium, tmp_path):
    from qsim.lab import watch

    saved = watch(load("two-live-copies").run()).save(tmp_path / "film.html")
    page = chromium.new_page(reduced_motion="reduce")
    page.goto(saved.as_uri())
    page.click("[data-do=play]")
    page.wait_for_function("document.querySelector('.time').textContent !== '0s'", timeout=30_000)
    assert page.locator(".time").inner_text() == "5s"  # the next event, and nothing between
    page.close()
