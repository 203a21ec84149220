"""Every picture of real runs: what is drawn is the table, with labels and units that people read."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import qsim
from qsim.metrics.curves import curves
from qsim.metrics.frames import leases as leases_of
from qsim.plot import axes as scales
from qsim.plot import figures, picture
from qsim.plot.alerts import alert_raster
from qsim.plot.leases import lease_bars
from qsim.plot.over_time import Marks, over_time, units
from qsim.plot.style import COLOURS, THEMES, line, themed
from qsim.plot.swept import heat_map, positions, swept_lines
from qsim.study.points import points
from tests.plot.runs import leases, station

SWEEP = pd.DataFrame(
    [
        {"consumers.worker.count": count, "queues.jobs.visibility_timeout": lease, "replication": r, "seed": 1,
         "jobs.wait p95": wait + r / 10, "digest": "x"}
        for count, wait in ((2, 60.0), (4, 8.0), (8, 1.0)) for lease in ("30s", "2m") for r in (1, 2, 3)
    ]
)  # fmt: skip
PATHS = ["consumers.worker.count", "queues.jobs.visibility_timeout"]


@pytest.fixture
def axes():
    with themed("light"):
        yield Figure(figsize=(9, 3)).subplots()


def labels(axis) -> list[str]:
    axis.figure.draw_without_rendering()
    low, high = sorted(axis.get_view_interval())
    return [t.get_text() for t in axis.get_ticklabels() if low - 1e-9 <= _where(axis, t) <= high + 1e-9]


def _where(axis, tick) -> float:
    return tick.get_position()[0 if axis.axis_name == "x" else 1]


# --- over time --------------------------------------------------------------------------------------------------------


def test_levels_are_drawn_as_the_table_says(axes):
    names = ["jobs.visible", "jobs-dlq.visible"]
    tables = curves(leases().numbers, names)
    over_time(tables, axes)
    assert [drawn.get_label() for drawn in axes.lines] == names
    for drawn, table in zip(axes.lines, tables.values(), strict=True):
        assert list(drawn.get_xdata()) == list(table.index)
        assert np.array_equal(drawn.get_ydata(), table.value, equal_nan=True)
        assert drawn.get_drawstyle() == "steps-post"  # it holds until it changes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time of the run", "messages")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [*names, "least to most"]
    assert axes.get_ylim()[0] == 0
    assert labels(axes.xaxis) == ["0", "5m", "10m", "15m", "20m"]


def test_a_single_curve_is_named_above_it(axes):
    over_time(curves(leases().numbers, ["jobs-dlq.oldest_age"]), axes)
    assert axes.get_title("left") == "jobs-dlq.oldest_age" and axes.get_legend() is None
    assert axes.lines[0].get_drawstyle() == "default"  # it grows
    assert axes.get_ylabel() == "age" and labels(axes.yaxis)[:2] == ["0", "5m"]


def test_a_band_shows_the_least_and_the_most_of_each_cell(axes):
    tables = curves(station().numbers, ["jobs.visible"])
    over_time(tables, axes)
    [band] = axes.collections
    assert band.get_paths()[0].get_extents().y1 == tables["jobs.visible"].high.max()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["jobs.visible", "least to most"]


def test_the_legend_tells_of_bands_that_are_seen_in_their_colour(axes):
    index, flat = pd.Index([0.0, 60.0, 120.0], name="time_s"), np.zeros(3)
    small = pd.DataFrame({"value": flat, "low": flat, "high": flat + 1}, index=index)
    large = pd.DataFrame({"value": flat + 100, "low": flat + 100, "high": flat + 100}, index=index)
    over_time({"a.visible": small, "b.visible": large}, axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a.visible", "b.visible"]
    over_time({"a.visible": small, "b.visible": large.assign(low=0.0)}, axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()][-1] == "least to most"
    assert to_hex(axes.get_legend().get_patches()[0].get_facecolor()) == COLOURS[1]


def test_percentiles_over_time_are_lines_of_one_panel(axes):
    names = [f"jobs.wait {p}" for p in ("p50", "p95", "p99")]
    over_time(curves(station().numbers, names), axes)
    p50, p95, p99 = (drawn.get_ydata() for drawn in axes.lines)
    assert np.nanmax(p50 - p95) <= 0 and np.nanmax(p95 - p99) <= 0 and np.nanmax(p99) > np.nanmax(p50)
    assert all(label.endswith(("s", "0")) for label in labels(axes.yaxis))


def test_the_warm_up_and_planned_events_stand_behind(axes):
    over_time(curves(leases().numbers, ["jobs.visible"]), axes, Marks(60, [("pause", 600, 720)]))
    assert axes.lines[-1].get_xdata()[0] == 60
    [band] = axes.patches
    assert (band.get_x(), band.get_width()) == (600, 120)
    assert to_hex(band.get_facecolor()) == THEMES["light"].grid
    assert [text.get_text() for text in axes.get_legend().get_texts()][-2:] == ["pause", "warm-up ends"]


def test_many_events_are_told_together(axes):
    events = [(f"event-{i}", 60.0 * i, 60.0 * i + 30) for i in range(5)]
    over_time(curves(leases().numbers, ["jobs-dlq.visible"]), axes, Marks(0, events))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["jobs-dlq.visible", "planned events"]
    assert len(axes.patches) == 5


def test_a_few_moments_differ_in_their_lines_and_curves_on_each_other_in_their_widths(axes):
    moments = [("fixed", 300.0, 300.0), ("replay", 600.0, 600.0)]
    over_time(curves(leases().numbers, ["jobs.visible", "jobs-dlq.visible"]), axes, Marks(0, moments))
    kinds = [drawn.get_linestyle() for drawn in axes.lines[2:]]
    assert len(kinds) == 2 and kinds[0] != kinds[1]
    assert axes.lines[0].get_linewidth() > axes.lines[1].get_linewidth()


def test_the_legend_of_leases_tells_only_the_times_that_there_were(axes):
    table = leases_of(leases().numbers, leases().find("first-redelivered"))
    lease_bars(table.assign(work_end_s=table.lease_end_s, work_start_s=table.start_s, has_effect=False), axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["leased, at work"]


def test_what_has_another_unit_has_a_panel_of_its_own():
    asked = ["orders.visible", "orders.oldest_age", "fulfil.count", "orders.wait p95", "fulfil.utilization", "web.rate"]
    assert list(units(asked)) == ["messages", "age", "processes", "time", "share", "messages / s"]
    with themed("light"):
        drawn = picture._drawn(figures.read(["jobs.visible", "worker.utilization"]), figures.Subject(leases().numbers), 9, "x")
    assert [a.get_ylabel() for a in drawn.axes] == ["messages", "share"]
    assert [a.get_xlabel() for a in drawn.axes] == ["", "time of the run"]
    assert labels(drawn.axes[1].yaxis) == ["0 %", "50 %", "100 %"]


# --- others -----------------------------------------------------------------------------------------------------------


def test_lease_bars_show_work_that_outlives_its_lease(axes):
    run = leases()
    table = leases_of(run.numbers, run.find("first-redelivered"))
    lease_bars(table, axes)
    bars = [tuple(path.get_extents().intervalx) for c in axes.collections for path in c.get_paths()]
    first = table.iloc[0]
    assert first.lease_end_s == first.start_s + 30 and first.work_end_s == first.start_s + 120
    assert bars[:2] == [(first.start_s, first.lease_end_s), (first.lease_end_s, first.work_end_s)]
    assert labels(axes.yaxis) == list(table.process)
    effects = [drawn.get_xdata()[0] for drawn in axes.lines]
    assert effects == list(table.work_end_s[table.has_effect]) and effects
    assert "at work without a lease" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_raster_shows_when_alerts_fired_and_who_is_told(axes):
    run = leases()
    alerts, severities = run.frame("alerts"), {"dlq": "page", "calm": "info"}
    alert_raster(alerts, severities, 1200, axes)
    [bar] = [path.get_extents() for c in axes.collections for path in c.get_paths()]
    assert (bar.x0, bar.x1) == (run["dlq.first_fired"], 1200)
    assert [text.get_text() for text in axes.texts] == ["never fired"]
    assert labels(axes.yaxis) == ["dlq", "calm"]


def test_points_are_means_with_students_interval():
    table = points(SWEEP, PATHS[:1], "jobs.wait p95")
    assert list(table["mean"].round(6)) == [60.2, 8.2, 1.2]
    values = SWEEP["jobs.wait p95"][:6]
    half = 2.570582 * values.std() / 6**0.5  # t(5) at 97.5 %
    assert table.high[0] - table["mean"][0] == pytest.approx(half, rel=1e-5)


def test_what_never_happened_has_no_point():
    table = pd.DataFrame({"consumers.worker.count": [1, 1, 2], "jobs.drained_at": ["inf", "3", None]})
    assert points(table, PATHS[:1], "jobs.drained_at")["mean"].isna().all()


def test_a_swept_path_is_a_line_with_a_band(axes):
    table = points(SWEEP, PATHS, "jobs.wait p95")
    swept_lines(table, PATHS[0], "jobs.wait p95", axes, by=PATHS[1])
    assert [drawn.get_label() for drawn in axes.lines] == ["jobs visibility_timeout 30s", "jobs visibility_timeout 2m"]
    assert list(axes.lines[0].get_xdata()) == [2, 4, 8]
    assert list(axes.lines[0].get_ydata()) == list(table["mean"][table[PATHS[1]] == "30s"])
    assert len(axes.collections) == 2
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("worker count", "time")
    assert labels(axes.xaxis) == ["2", "4", "8"] and labels(axes.yaxis)[:2] == ["0", "20s"]


def test_an_interval_below_nothing_is_cut_at_nothing(axes):
    table = pd.DataFrame({PATHS[0]: [1, 2], "mean": [3.0, 1.0], "low": [-5.0, 0.5], "high": [11.0, 1.5]})
    swept_lines(table, PATHS[0], "jobs.wait p95", axes)
    assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] > 11


def test_a_map_says_the_value_of_each_cell(axes):
    heat_map(points(SWEEP, PATHS, "jobs.wait p95"), PATHS[1], PATHS[0], "jobs.wait p95", axes)
    assert [text.get_text() for text in axes.texts] == ["1m 0s"] * 2 + ["8.2s"] * 2 + ["1.2s"] * 2
    assert labels(axes.xaxis) == ["30s", "2m"] and labels(axes.yaxis) == ["2", "4", "8"]


@pytest.mark.parametrize(
    ("values", "at"),
    [([1, 2, 4], [1, 2, 4]), (["30s", "2m"], [30, 120]), (["10/s", "1/m"], [10, 1 / 60]), (["a", "b", "a"], [0, 1, 0])],
)
def test_values_of_a_path_stand_where_they_belong(values, at):
    assert positions(pd.Series(values))[0] == pytest.approx(at)


# --- looks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "dimension", "said"),
    [(0, "time", "0"), (90, "time", "1m30s"), (4500, "time", "1h15m"), (60.2, "time", "1m0.2s"), (0.25, "time", "250ms"), (0.5, "share", "50 %"),
     (12000, "count", "12,000"), (0.25, "rate", "0.25")],
)  # fmt: skip
def test_ticks_are_what_people_write(value, dimension, said):
    assert scales.told(value, dimension) == said


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_letters_stand_out_from_the_paper(theme):
    look = THEMES[theme]
    assert _contrast(look.ink, look.paper) > 7 and _contrast(look.faint, look.paper) > 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_curves_stand_out_from_the_paper_most_the_first(theme):
    paper, colours = THEMES[theme].paper, THEMES[theme].colours
    assert sorted(colours) == sorted(COLOURS)
    assert _contrast(colours[0], paper) > 5 and all(_contrast(colour, paper) > 2.2 for colour in colours)


def test_what_is_drawn_has_the_colours_of_its_theme():
    for theme, look in THEMES.items():
        with themed(theme):
            bars = lease_bars(leases_of(leases().numbers, figures.find(leases().numbers, "first-redelivered")), Figure().subplots())
            assert line(0)["color"] == look.colours[0] == to_hex(bars.collections[0].get_facecolor()[0])
    assert line(0)["color"] == COLOURS[0]


def test_curves_differ_in_colour_and_then_in_kind():
    looks = [tuple(line(i).values()) for i in range(2 * len(COLOURS))]
    assert len(set(looks)) == len(looks)


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [picture.WIDE, picture.NARROW])
@pytest.mark.parametrize(
    "figure",
    [
        ["jobs.visible", "jobs-dlq.visible"],
        ["api.rate", "worker.throughput", "jobs.oldest_age", "worker.count", "jobs.wait p95", "jobs.received"],
        {"timeline": {"queue": "jobs", "message": "first-redelivered"}},
        "alerts",
        {"x": "consumers.worker.count", "y": "jobs.wait p95"},
    ],
)
def test_no_text_covers_another_or_leaves_the_picture(figure, width, theme):
    with themed(theme):
        canvas = picture._drawn(figures.read(figure), figures.Subject(leases().numbers, SWEEP), width, "leases")
        canvas.draw_without_rendering()
    boxes = [text.get_window_extent() for text in _texts(canvas)]
    width, height = canvas.get_size_inches() * canvas.dpi
    for i, box in enumerate(boxes):
        assert box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1
        assert not [other for other in boxes[:i] if _overlap(box, other)]


def _texts(canvas):
    for axes in canvas.axes:
        legend = axes.get_legend()
        yield from (t for axis in (axes.xaxis, axes.yaxis) for t in axis.get_ticklabels() if t.get_text() and _shown(axis, t))
        yield from (t for t in (axes.xaxis.label, axes.yaxis.label, *axes.texts) if t.get_text())
        yield from (legend.get_texts() if legend else ())


def _shown(axis, tick) -> bool:
    low, high = sorted(axis.get_view_interval())
    labelled = axis.axis_name == "y" or axis.axes.get_xlabel() != ""
    return labelled and low - 1e-9 <= _where(axis, tick) <= high + 1e-9


def _overlap(one, other) -> bool:
    return min(one.x1, other.x1) - max(one.x0, other.x0) > 1 and min(one.y1, other.y1) - max(one.y0, other.y0) > 1


def test_the_same_run_gives_the_same_bytes():
    figure, subject = figures.default(leases().numbers), figures.Subject(leases().numbers)
    for format_ in picture.FORMATS:
        made = [picture.picture(figure, subject, format=format_) for _ in range(2)]
        assert made[0] == made[1]


def test_an_inline_picture_is_svg_without_foreign_ids_or_links():
    subject = figures.Subject(leases().numbers)
    svg = picture.inline(figures.AlertRaster(), subject, "f1", 9, "wide")
    root = ElementTree.fromstring(svg)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert all(i.startswith("f1-") for i in ids) and len(set(ids)) == len(ids)
    assert "http" not in svg and "var(--ink" in svg and root.get("aria-label") == "When alerts fired"


@pytest.mark.parametrize("theme", THEMES)
def test_a_figure_in_a_notebook_has_the_colours_of_the_page(theme):
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    shown = leases().plot("jobs.visible", "jobs-dlq.visible", theme=theme)[0].figure
    html = shown._repr_html_()
    pyplot.close(shown)
    svg = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    assert svg.get("aria-label") == "jobs.visible, jobs-dlq.visible"
    styles = " ".join(element.get("style", "") for element in svg.iter())
    assert {"--paper", "--ink", "--faint", "--grid", "--c1", "--c2"} <= set(re.findall(r"var\((--\w+)", styles))
    assert not re.findall(r": #(?!000000|ffffff)", styles)  # no colour but those of the page
    # a page that takes out style sheets and SVG has the picture, and no letters that stood in the SVG
    assert not [element for element in svg.iter() if (element.text or "").strip() and element.tag not in ("style", "title")]
    assert ".qsim-figure img { display: none; }" in html and '<img alt="jobs.visible, jobs-dlq.visible" src="data:image/png;base64,iVBOR' in html


def test_two_figures_of_a_page_share_no_ids():
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    ids = []
    for reference in ("jobs.visible", "jobs.depth"):
        html = leases().plot(reference)[0].figure._repr_html_()
        ids.append(set(re.findall(r' id="([^"]+)"', html)))
    pyplot.close("all")
    assert all(ids) and not ids[0] & ids[1]


def test_what_cannot_be_drawn_says_why():
    with pytest.raises(figures.NothingToDraw, match="needs the table of a sweep"):
        picture.picture(figures.read({"x": "consumers.worker.count", "y": "jobs.wait p95"}), figures.Subject(leases().numbers))
    with pytest.raises(figures.NothingToDraw, match="no message was redelivered"):
        picture.picture(figures.LeaseBars("first-redelivered"), figures.Subject(station().numbers))
    with pytest.raises(figures.NothingToDraw, match="no alerts"):
        picture.picture(figures.AlertRaster(), figures.Subject(station().numbers))


# --- in Python --------------------------------------------------------------------------------------------------------


@pytest.fixture
def pyplot(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


def test_a_run_plots_what_is_asked_or_what_its_file_begins_with(pyplot):
    run = leases()
    assert [a.get_ylabel() for a in run.plot("jobs.visible", "jobs.oldest_age")] == ["messages", "age"]
    assert [drawn.get_label() for drawn in run.plot()[0].lines][:2] == ["jobs.visible", "jobs-dlq.visible"]
    assert [a.get_ylabel() for a in run.plot(figure=2)] == ["messages / s", "age"]
    assert labels(run.plot("alerts")[0].yaxis) == ["dlq", "calm"]
    assert [a.get_ylabel() for a in station().plot()] == ["messages", "age", "share"]
    with pytest.raises(KeyError, match="did you mean 'visible'"):
        run.plot("jobs.visble")


def test_nothing_waits_in_a_queue_that_pushes_at_once(pyplot):
    """Where no queue had a backlog the depth is drawn."""
    run = qsim.load(
        text="""
qsim: 1
name: idle
run: {duration: 10s}
queues: {jobs: {}}
producers: {api: {to: jobs, rate: 1/s, arrivals: regular}}
consumers: {worker: {from: jobs, service: 10ms}}
"""
    ).run()
    assert figures.default(run.numbers).references == ("jobs.depth", "worker.utilization")


def test_of_a_message_that_comes_back_for_ever_the_first_deliveries_are_drawn():
    run = qsim.load(
        text="""
qsim: 1
name: loop
run: {duration: 1m}
queues: {jobs: {profile: rabbitmq-classic}}
producers: {api: {to: jobs, rate: 1/m, arrivals: regular, message: {poison: 100%}}}
consumers: {worker: {from: jobs, push: {prefetch: 1}, service: 100ms}}
"""
    ).run()
    subject, bars = figures.Subject(run.numbers), figures.LeaseBars("first-redelivered")
    assert run["jobs.received total"] == 600
    assert figures.caption(bars, subject) == "The first 20 of 600 deliveries of api:0, the first redelivered"
    assert figures.height(bars, subject, 9) < 20
    with themed("light"):
        [axes] = picture._drawn(bars, subject, 9, "").axes
    assert len(axes.get_yticks()) == figures.MOST_BARS


def test_a_title_is_no_formula_and_no_longer_than_the_picture():
    title = "It costs $5 to send, and $6_x to receive, " * 8
    svg = picture.picture(figures.AlertRaster(), figures.Subject(leases().numbers), format="svg", title=title).decode()
    assert "It costs $5 to send, and $6_x to receive," in svg
    with themed("light"):
        canvas = picture._drawn(figures.AlertRaster(), figures.Subject(leases().numbers), 9, title)
        canvas.draw_without_rendering()
    assert canvas._suptitle.get_window_extent().x1 < 9 * canvas.dpi
