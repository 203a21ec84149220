"""What a lesson draws of several runs, and that a notebook shows every picture, not just the first."""

import nbformat
import pytest
from nbclient import NotebookClient

import qsim
from qsim.lab import chart

TEXT = """
qsim: 1
name: small
run: {duration: 20s}
queues: {jobs: {}}
producers: {api: {to: jobs, rate: 10/s, arrivals: regular}}
consumers: {worker: {from: jobs, service: 200ms}}
"""


@pytest.fixture
def pyplot():
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


def test_a_chart_has_a_panel_a_metric_over_what_was_changed(pyplot):
    counts = {"consumers.worker.count": [1, 2, 3]}
    panels = chart(qsim.sweep(qsim.load(text=TEXT), counts, metrics=["jobs.visible at end", "worker.utilization mean"]))
    assert len(panels) == 2
    visible = panels[0].lines[0]
    assert list(visible.get_xdata()) == [1, 2, 3]
    assert list(visible.get_ydata()) == [100, 0, 0]  # 200 sent, 99 done in [0, 20 s), one in hand
    assert panels[1].lines[0].get_ydata()[2] == pytest.approx(2 / 3, abs=0.01)


def test_a_second_setting_gives_a_line_for_each_of_its_values(pyplot):
    over = {"consumers.worker.count": [1, 2], "consumers.worker.service": ["100ms", "200ms"]}
    [panel] = chart(qsim.sweep(qsim.load(text=TEXT), over, metrics=["jobs.visible at end"]))
    assert sum(len(line.get_xdata()) == 2 for line in panel.lines) == 2


def test_a_notebook_shows_every_picture_and_not_just_the_first():
    """Its screen shows what is drawn while it is interactive, and the first figure makes it so."""
    cells = [f"import qsim; run = qsim.load(text={TEXT!r}).run()", "run.plot();", "run.plot();"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    NotebookClient(notebook, timeout=60).execute()
    shown = [sum("image/png" in output.get("data", {}) for output in cell.outputs) for cell in notebook.cells]
    assert shown == [0, 1, 1]
