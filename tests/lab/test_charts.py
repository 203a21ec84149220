"""What a lesson draws of several runs, and that a notebook shows every picture, not just the first."""

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import qsim
from qsim.lab import bars, chart, settling

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


# --- theory beside it -------------------------------------------------------------------------------------------------

CHANCE = TEXT.replace("rate: 10/s, arrivals: regular", "rate: 40/s").replace("service: 200ms", "service: {exponential: {mean: 10ms}}")


def test_theory_is_a_line_through_what_the_textbook_says_of_each_point(pyplot):
    rates = {"producers.api.rate": ["50/s", "80/s", "200/s"]}
    swept = qsim.sweep(qsim.load(text=CHANCE), rates, replications=2, metrics=["jobs.wait mean", "worker.utilization mean"])
    said = swept.textbook()
    assert list(said["textbook"]) == ["M/M/1", "M/M/1", ""]  # 200/s have no equilibrium
    assert list(said["jobs.wait mean"][:2]) == pytest.approx([0.010, 0.040])  # ρ / (μ - λ)
    waits, busy = chart(swept, theory=True)
    simulated, theory = waits.lines
    assert list(theory.get_ydata()[:2]) == pytest.approx([0.010, 0.040])
    assert simulated.get_linestyle() == "None" and theory.get_label() == "theory"
    assert [text.get_text() for text in busy.get_legend().get_texts()] == ["simulated", "theory"]


def test_theory_names_the_one_station_of_all_points_and_a_line_for_each_value_of_a_second_path(pyplot):
    over = {"producers.api.rate": ["50/s", "80/s"], "consumers.worker.count": [2, 3]}
    [panel] = chart(qsim.sweep(qsim.load(text=CHANCE), over, metrics=["jobs.wait mean"]), theory=True)
    assert len(panel.lines) == 4
    [alone] = chart(qsim.sweep(qsim.load(text=CHANCE), {"producers.api.rate": ["50/s"]}, metrics=["jobs.wait mean"]), theory=True)
    assert alone.lines[1].get_label() == "theory: M/M/1"


def test_a_panel_of_which_the_textbooks_say_nothing_is_as_it_would_be_without(pyplot):
    over = {"producers.api.rate": ["50/s", "80/s"]}
    swept = qsim.sweep(qsim.load(text=CHANCE), over, replications=1, metrics=["jobs.received total", "jobs.wait mean"])
    received, waits = chart(swept, theory=True)
    assert (len(received.lines), received.get_legend(), received.get_title(loc="left")) == (1, None, "jobs.received total")
    assert received.lines[0].get_linestyle() == "-" and len(waits.lines) == 2


def test_panels_have_one_legend_below_with_theory_in_it_once(pyplot):
    """And nothing is written over their names."""
    services = ["30ms", "10ms", "5ms"]
    over = {"producers.api.rate": ["50/s", "80/s"], "consumers.worker.count": [1, 2], "consumers.worker.service.exponential.mean": services}
    panels = chart(qsim.sweep(qsim.load(text=CHANCE), over, replications=1, metrics=["jobs.wait mean"]), theory=True)
    assert [len(panel.lines) for panel in panels] == [3, 4, 4]  # two of 30 ms keep up with 50/s, one with neither
    assert all(panel.get_legend() is None for panel in panels)
    [legend] = panels[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["worker count 1", "worker count 2", "theory"]


def test_the_legend_says_of_how_many_lines_it_has_some_with_theory_too(pyplot):
    over = {"producers.api.rate": ["50/s", "80/s"], "consumers.worker.count": range(1, 11)}
    [panel] = chart(qsim.sweep(qsim.load(text=CHANCE), over, replications=1, metrics=["jobs.wait mean"]), theory=True)
    assert panel.get_legend().get_title().get_text() == "jobs.wait mean, the first 8 of 10 values of worker count"


def test_theory_has_no_place_beside_two_metrics_against_each_other(pyplot):
    swept = qsim.sweep(qsim.load(text=CHANCE), {"consumers.worker.count": [1, 2]}, replications=1, metrics=["jobs.wait mean", "worker.busy mean"])
    with pytest.raises(ValueError, match="leave pareto out"):
        chart(swept, pareto=("jobs.wait mean", "worker.busy mean"), theory=True)


def test_what_no_textbook_knows_is_told(pyplot):
    swept = qsim.sweep(qsim.load(text=TEXT), {"consumers.worker.count": [1, 2]}, metrics=["jobs.received total"])
    with pytest.raises(LookupError, match="the textbooks say nothing of jobs"):
        chart(swept, theory=True)


# --- a mean that settles ----------------------------------------------------------------------------------------------


def test_after_the_cut_the_mean_is_that_of_the_rest(pyplot):
    """100 messages wait at the start and ten more a second are done than come: for ten seconds the run tells of them."""
    text = TEXT.replace("duration: 20s", "duration: 2m").replace("service: 200ms", "service: 50ms")
    outage = {"producers.outage": {"to": "jobs", "rate": "10000/s", "arrivals": "regular", "limit": 100}}
    axes = settling(qsim.load(text=text).set(outage).run(), "jobs.depth")
    level, whole, rest = (line.get_ydata() for line in axes.lines[:3])
    assert whole[-1] == pytest.approx(level.mean())
    cut = int(np.flatnonzero(~np.isnan(rest))[0])
    assert 8 <= cut <= 15 and rest[-1] == pytest.approx(level[cut:].mean()) and rest[-1] <= 1 < whole[-1]
    assert f"MSER-5 cuts {cut}s" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_level_that_does_not_settle_is_told_and_a_warm_up_changes_nothing(pyplot):
    """Twice as many come as one worker can do."""
    scenario = qsim.load(text=TEXT)
    for warmup in ("0s", "5s"):
        axes = settling(scenario.set("run.warmup", warmup).run(), "jobs.depth")
        assert [axes.lines[0].get_xdata()[0], len(axes.lines[0].get_xdata())] == [0, 20]
        assert axes.get_legend().get_texts()[-1].get_text() == "MSER-5 cuts 10s, not settled by then"


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("orders.depth", "orders"),
        ("jobs.dpth", "did you mean 'depth'"),
        ("jobs.wait", "which statistic"),
        ("jobs.wait p95", "is not a level over the whole run; orders.depth is one"),
        ("jobs.depth mean", "is not a level"),
        ("jobs.depth from 10s", "is not a level"),
        ("jobs.received total", "is not a level"),
    ],
)
def test_what_is_no_level_is_told(level, said, pyplot):
    with pytest.raises(KeyError, match=said):
        settling(qsim.load(text=TEXT).run(), level)


# --- side by side -----------------------------------------------------------------------------------------------------


def test_bars_are_a_panel_a_metric_and_a_bar_a_scenario_each_with_its_value(pyplot):
    one = qsim.load(text=TEXT)
    compared = qsim.compare({"one": one, "two": one.set("consumers.worker.count", 2)}, replications=1, metrics=["jobs.visible at end"])
    left, right = bars(compared, "jobs.visible at end", "worker.utilization mean")
    assert [bar.get_width() for bar in left.patches] == [100, 0]  # 200 sent, 99 done in [0, 20 s), one in hand
    assert [text.get_text() for text in left.texts] == ["100", "0"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["one", "two"]
    assert right.get_xlabel() == "share"


def test_bars_have_whiskers_where_there_are_replications_and_say_where_there_is_nothing(pyplot):
    chance = qsim.load(text=CHANCE)
    compared = qsim.compare({"one": chance, "none": chance.set("producers.api.limit", 0)}, replications=3, metrics=["jobs.wait mean"])
    [panel] = bars(compared, "jobs.wait mean")
    assert panel.texts[1].get_text() == "no data"
    [whiskers] = [each for each in panel.collections if len(each.get_segments()) == 2]
    (low, high), _ = ((segment[:, 0].min(), segment[:, 0].max()) for segment in whiskers.get_segments())
    row = compared.frame().iloc[0]
    assert (low, high) == pytest.approx((row["low"], row["high"]))


def test_bars_say_what_never_happens_and_count_exactly(pyplot):
    """The last of 200 is taken when 199 are done, of 200 ms each; 24,680 are not "24,700"."""
    one = qsim.load(text=TEXT).set("run.drain", "1m")
    full = one.set({"producers.api.rate": "1234/s", "run.drain": "1s"})
    compared = qsim.compare({"one": one, "full": full}, replications=1, metrics=["jobs.drained_at", "api.sent total"])
    drained, sent = bars(compared, "jobs.drained_at", "api.sent total")
    assert [text.get_text() for text in drained.texts] == ["39.8s", "never"]
    assert [text.get_text() for text in sent.texts] == ["200", "24,680"]


def test_bars_of_what_is_the_same_everywhere_are_told(pyplot):
    one = qsim.load(text=TEXT)
    compared = qsim.compare({"one": one, "two": one}, replications=1)
    for metrics in ((), ("jobs.wait p95",)):
        with pytest.raises(LookupError, match=r"compare\(\.\.\., metrics="):
            bars(compared, *metrics)


def test_what_was_not_compared_is_told(pyplot):
    one = qsim.load(text=TEXT)
    compared = qsim.compare({"one": one, "two": one.set("consumers.worker.count", 2)}, replications=1, metrics=["jobs.wait p95"])
    with pytest.raises(LookupError, match="p50 was not compared: compare"):
        bars(compared, "worker.busy p50")
    with pytest.raises(LookupError, match=r"was not compared \(did you mean 'jobs.wait p95'\?\)"):
        bars(compared, "jobs.wiat p95")
