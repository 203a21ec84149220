"""Figures of bundled scenarios, and of sweeps: no two texts lie on each other, and a page fits a telephone.

``QSIM_PICTURES=all pytest tests/plot/test_bundled.py`` looks at every bundled scenario (minutes).  The page is measured
by Chromium, where there is one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html import escape
from itertools import combinations, product
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text

import qsim
from qsim.plot import figures, picture
from qsim.plot.style import themed
from qsim.study.points import paths_of
from tests.plot.runs import leases

SCENARIOS = Path(__file__).parents[2] / "scenarios"
FEW = ("poison-pill", "urgent-first", "short-vs-long-poll", "image-pipeline", "brokers", "autoscale-policies")
NAMES = (
    sorted(str(path.relative_to(SCENARIOS).with_suffix("")) for path in SCENARIOS.rglob("*.yaml"))
    if os.environ.get("QSIM_PICTURES") == "all"
    else FEW
)
COUNT, LEASE, RATE = "consumers.worker.count", "queues.jobs.visibility_timeout", "producers.api.rate"


def sweep(counts, leases_, rates) -> pd.DataFrame:
    """A table whose waits differ in each path, so that an average over one of them is a number that is nowhere."""
    rows = [
        {COUNT: count, LEASE: lease, RATE: rate, "replication": 1, "seed": 1, "jobs.wait p95": 1 + 100 * k + 10 * j + i, "digest": "x"}
        for (i, count), (j, lease), (k, rate) in product(enumerate(counts), enumerate(leases_), enumerate(rates))
    ]
    return pd.DataFrame(rows)


CUBE = sweep((1, 2, 3, 6, 12, 60, 600), ("30s", "2m", "10m"), ("10/s", "20/s", "40/s"))


def drawn(figure, subject, width):
    with themed("light"):
        canvas = picture._drawn(figure, subject, width, "")
        canvas.draw_without_rendering()
    return canvas


def overlapping(canvas) -> list[tuple[str, str]]:
    """Pairs of texts that share more than a pixel each way."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown(canvas)]
    return [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]


def shown(canvas) -> list[Text]:
    """All texts that are seen; ticks beyond the limits of their axis are not."""
    beyond = {id(tick.label1) for axes in canvas.axes for axis in (axes.xaxis, axes.yaxis) for tick in outside(axis)}
    return [
        text for text in canvas.findobj(Text)
        if text.get_text() and text.get_visible() and id(text) not in beyond and is_labelled(canvas, text)
    ]  # fmt: skip


def outside(axis):
    low, high = sorted(axis.get_view_interval())
    room = 1e-9 * (high - low)
    return [tick for ticks in (axis.majorTicks, axis.minorTicks) for tick in ticks if not low - room <= tick.get_loc() <= high + room]


def is_labelled(canvas, text) -> bool:
    """Panels above the last have no names at their ticks."""
    ticks = (tick for axes in canvas.axes for tick in axes.xaxis.majorTicks if tick.label1 is text)
    return all(tick.label1.get_visible() for tick in ticks)


@pytest.mark.parametrize("name", NAMES)
def test_no_texts_of_a_bundled_scenario_lie_on_each_other(name):
    run = qsim.load(str(SCENARIOS / f"{name}.yaml")).run()
    subject = figures.Subject(run.numbers)
    wanted = [*figures.asked(run.scenario.loaded.plots, run.numbers), figures.default(run.numbers), figures.AlertRaster(),
              figures.LeaseBars("first-redelivered")]  # fmt: skip
    seen = 0
    for figure, width in product(wanted, (picture.WIDE, picture.NARROW)):
        try:
            assert overlapping(drawn(figure, subject, width)) == [], figure
        except figures.NothingToDraw:
            continue
        seen += 1
    assert seen >= 2


@pytest.mark.parametrize("width", [picture.WIDE, picture.NARROW])
@pytest.mark.parametrize("figure", figures.of_sweep([COUNT, LEASE, RATE], ["jobs.wait p95"]), ids=["lines", "map"])
def test_no_texts_of_a_sweep_over_three_paths_lie_on_each_other(figure, width):
    canvas = drawn(figure, figures.Subject(leases().numbers, CUBE), width)
    assert len(shown(canvas)) > 30 and overlapping(canvas) == []


def test_a_third_path_is_panels_and_nothing_is_averaged():
    assert paths_of(CUBE) == (COUNT, LEASE, RATE)
    [lines, tiles] = (
        drawn(figure, figures.Subject(leases().numbers, CUBE), 9)
        for figure in figures.of_sweep([COUNT, LEASE, RATE], ["jobs.wait p95"])
    )
    assert [axes.get_title("left").splitlines()[-1] for axes in lines.axes] == [f"api rate {r}/s" for r in (10, 20, 40)]
    values = {value for axes in lines.axes for curve in axes.lines for value in curve.get_ydata()}
    assert values == set(CUBE["jobs.wait p95"])
    assert sum(len(axes.texts) for axes in tiles.axes) == len(CUBE)
    assert len({axes.get_ylim() for axes in lines.axes}) == 1  # what is compared has one scale
    assert len({axes.images[0].norm.vmax for axes in tiles.axes}) == 1


def test_a_figure_of_the_file_over_one_path_has_lines_for_the_other():
    table = CUBE[CUBE[RATE] == "10/s"].drop(columns=RATE)
    figure, subject = figures.read({"x": COUNT, "y": "jobs.wait p95"}), figures.Subject(leases().numbers, table)
    [axes] = drawn(figure, subject, 9).axes
    assert [curve.get_label() for curve in axes.lines] == [f"jobs visibility_timeout {lease}" for lease in ("30s", "2m", "10m")]
    lines, tiles = figures.of_sweep([COUNT, LEASE], ["jobs.wait p95"])
    assert figures.not_yet([lines, tiles], [figure], subject) == [tiles]


def test_more_lines_or_panels_than_fit_are_said():
    many = sweep((1, 2), [f"{n}s" for n in range(1, 12)], [f"{n}/s" for n in range(1, 15)])
    [figure, _] = figures.of_sweep([COUNT, LEASE, RATE], ["jobs.wait p95"])
    subject = figures.Subject(leases().numbers, many)
    assert figures.caption(figure, subject).endswith("the first 12 of 14 settings of producers.api.rate")
    assert len(drawn(figure, subject, 9).axes) == 12
    alone = many[many[RATE] == "1/s"].drop(columns=RATE)
    [axes] = drawn(figures.of_sweep([COUNT, LEASE], ["jobs.wait p95"])[0], figures.Subject(leases().numbers, alone), 9).axes
    assert axes.get_legend().get_title().get_text().endswith("the first 8 of 11 values of jobs visibility_timeout")


@pytest.mark.parametrize(("counts", "scale"), [((1, 2, 3, 6, 12, 60, 600), "log"), ((1, 2, 4, 8), "linear"), ((0, 1, 500), "linear")])
def test_settings_on_one_heap_stand_at_their_ratios(counts, scale):
    table = sweep(counts, ("30s",), ("10/s",)).drop(columns=[LEASE, RATE])
    [axes] = drawn(figures.Swept(COUNT, ("jobs.wait p95",)), figures.Subject(leases().numbers, table), 9).axes
    assert axes.get_xscale() == scale


def test_settings_that_do_not_fit_beside_each_other_are_turned():
    table = sweep([f"{n}m30s" for n in range(1, 11)], ("30s",), ("10/s",)).drop(columns=[LEASE, RATE])
    canvas = drawn(figures.Swept(COUNT, ("jobs.wait p95",)), figures.Subject(leases().numbers, table), picture.NARROW)
    assert "10m30s" in {text.get_text() for text in shown(canvas)} and overlapping(canvas) == []


FRONT = ("jobs.wait p95", "worker.count mean")


def traded(*rows, paths=(COUNT, LEASE)) -> pd.DataFrame:
    """Settings, two means, the place on the front."""
    return pd.DataFrame(rows, columns=[*paths, *FRONT, "front"])


def curve(points, **more):
    return traded(*((n, f"{n}m30s", x, y, place) for n, (x, y, place) in enumerate(points)), **more)


FALLING = curve([(120 / n, n, n) for n in range(1, 9)] + [(30 + 9 * n, 5, None) for n in range(6)])
HEAP = curve([(60 + n / 50, 9 - n / 50, n) for n in range(12)] + [(600, 40, None)])


@pytest.mark.parametrize("width", [picture.WIDE, picture.NARROW])
@pytest.mark.parametrize("table", [FALLING, HEAP, curve([(5, 3, 0)])], ids=["falling", "on a heap", "one point"])
def test_no_names_of_a_front_lie_on_each_other(table, width):
    canvas = drawn(figures.TradeOff(*FRONT), figures.Subject(leases().numbers, table), width)
    assert overlapping(canvas) == []
    names = {text.get_text() for text in canvas.axes[0].texts}
    assert names and names <= {f"{row[0]}, {row[1]}" for row in table.itertuples(index=False)}
    if table is FALLING:
        assert len(names) >= 7, "all but one, where there is room"
        assert width < 9 or {text.xyann for text in canvas.axes[0].texts} == {(5.76, 5.76)}, "above the line, which falls"
    legend = canvas.axes[0].get_legend().get_window_extent()
    assert legend.x1 <= canvas.bbox.x1
    box = canvas.axes[0].get_window_extent()
    for text in canvas.axes[0].texts:
        its = text.get_window_extent()
        assert box.x0 - 8 <= its.x0 and its.x1 <= box.x1 + 8 and box.y0 - 8 <= its.y0 and its.y1 <= box.y1 + 8


def test_a_front_is_joined_in_its_order_and_what_is_beaten_is_not():
    table = curve([(8, 2, 1), (2, 8, 0), (9, 9, None), (float("inf"), 1, None), (float("nan"), 1, None)])
    [axes] = drawn(figures.TradeOff(*FRONT), figures.Subject(leases().numbers, table), 9).axes
    beaten, best = axes.lines
    assert (list(best.get_xdata()), list(best.get_ydata()), best.get_linestyle()) == ([2, 8], [8, 2], "-")
    assert (list(beaten.get_xdata()), beaten.get_linestyle()) == ([9], "None")
    assert {text.get_text() for text in axes.texts} == {"0, 0m30s", "1, 1m30s"}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("jobs.wait p95 (time)", "worker.count mean (processes)")


# --- a page -----------------------------------------------------------------------------------------------------------

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def hidden_at(width: int, page: str, folder: Path) -> int:
    """How many pixels of a page one has to scroll to sideways, in a frame that is so wide."""
    frame = f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{escape(page, quote=True)}"></iframe>'
    script = (
        "onload = () => { const page = document.querySelector('iframe').contentDocument.documentElement;"
        " document.title = 'w' + (page.scrollWidth - page.clientWidth) }"
    )
    (folder / "frame.html").write_text(f"<!DOCTYPE html><html><head></head><body>{frame}<script>{script}</script></body></html>")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", (folder / "frame.html").as_uri()]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    found = re.search(r"<title>w(\d+)</title>", told)
    assert found, told[:300]
    return int(found[1])


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to measure a page with")
@pytest.mark.parametrize("name", ["poison-pill", "brokers"])
def test_a_page_fits_a_telephone(name, tmp_path):
    page = tmp_path / "page.html"
    command = [sys.executable, "-m", "qsim", "report", str(SCENARIOS / f"{name}.yaml"), "--html", str(page)]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    opened = page.read_text().replace("<details>", "<details open>")
    assert hidden_at(400, opened, tmp_path) == 0
    broken = opened.replace("</main>", '<p style="width: 500px">wide</p></main>')
    assert hidden_at(400, broken, tmp_path) > 0  # what is measured would be seen
