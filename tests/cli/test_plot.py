"""``qsim plot``: files, and what is said of what cannot be drawn."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.plot.runs import LEASES, STATION


@pytest.fixture(autouse=True)
def files(here):
    (here / "leases.yaml").write_text(LEASES)
    (here / "station.yaml").write_text(STATION)
    swept = (
        STATION + "sweep: {consumers.worker.count: [2, 3]}\nplots: [{x: consumers.worker.count, y: jobs.wait p95}]\n"
    )
    (here / "swept.yaml").write_text(swept)
    (here / "sweep.csv").write_text(
        "consumers.worker.count,replication,seed,jobs.wait p95,digest\n2,1,1,3.5,x\n2,2,1,4.5,x\n3,1,1,0.5,x\n3,2,1,0.7,x\n"
    )
    return here


def test_a_file_a_figure(qsim, here):
    answer = qsim("plot", "leases.yaml", "--out", "pictures")
    assert answer.code == 0 and answer.lines == [f"written to pictures/leases-{n}.png" for n in (1, 2)]
    assert all((here / "pictures" / f"leases-{n}.png").read_bytes().startswith(b"\x89PNG") for n in (1, 2))


def test_one_figure_as_svg(qsim, here):
    answer = qsim("plot", "leases.yaml", "--figure", "2", "--format", "svg", "--theme", "dark", "--variant", "base")
    assert answer.lines == ["written to leases-2.svg"]
    text = (here / "leases-2.svg").read_text()
    ElementTree.fromstring(text)
    assert "worker.throughput" in text and "#14171b" in text


def test_metrics_that_are_asked_for(qsim, here):
    assert (
        qsim("plot", "station.yaml", "--metric", "jobs.wait p50", "--metric", "jobs.wait p95", "--format", "svg").code
        == 0
    )
    assert "jobs.wait p95" in (here / "station-metrics.svg").read_text()
    wrong = qsim("plot", "station.yaml", "--metric", "jobs.wiat p95")
    assert wrong.code == 2 and "did you mean 'wait'" in wrong.err


def test_a_figure_over_a_path_needs_its_sweep(qsim, here):
    answer = qsim("plot", "swept.yaml")
    assert answer.code == 2 and "needs the table of a sweep" in answer.err
    answer = qsim("plot", "swept.yaml", "--sweep", "sweep.csv", "--format", "svg")
    assert answer.lines == ["written to station-1.svg"]  # the sweep's own is the same
    assert "worker count" in (here / "station-1.svg").read_text()


def test_what_is_asked_for_otherwise_is_called_otherwise(qsim, here):
    """Three commands in one folder, and nothing is written over."""
    assert qsim("plot", "station.yaml").lines == ["written to station-1.png"]
    assert qsim("plot", "station.yaml", "--metric", "jobs.wait p95").lines == ["written to station-metrics.png"]
    swept = qsim("plot", "station.yaml", "--sweep", "sweep.csv").lines
    assert swept == ["written to station-1.png", "written to station-sweep-1.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--figure", "3"), "--figure 3: the file has 2 plots"),
        (("--format", "gif"), "--format gif: write --format png or svg"),
        (("--theme", "blue"), "--theme blue: write --theme light or dark"),
        (("--sweep", "leases.yaml"), "--sweep leases.yaml: "),
        (("--sweep", "nowhere.csv"), "nowhere.csv: No such file"),
    ],
)
def test_what_is_wrong_is_said_before_the_run(qsim, arguments, said):
    answer = qsim("plot", "leases.yaml", *arguments)
    assert answer.code == 2 and said in answer.err and not answer.out


@pytest.mark.parametrize(("end", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_file_is_written_in_the_format_of_its_name(qsim, here, end, begins):
    answer = qsim("plot", "station.yaml", "--out", f"pictures/mine.{end}")
    assert answer.lines == [f"written to pictures/mine.{end}"]
    assert (here / "pictures" / f"mine.{end}").read_bytes().startswith(begins)


def test_several_figures_of_one_name_are_numbered(qsim, here):
    answer = qsim("plot", "leases.yaml", "--out", "mine.svg")
    assert answer.lines == ["written to mine-1.svg", "written to mine-2.svg"]


def test_a_name_and_a_format_that_differ_are_refused(qsim, here):
    answer = qsim("plot", "station.yaml", "--out", "mine.svg", "--format", "png")
    assert answer.code == 2 and "which of the two?" in answer.err
