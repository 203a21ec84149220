"""``qsim report``: one file that needs no network, says everything, and is well formed."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest

from qsim.cli.app import run as ask
from qsim.scenario.files import bundled
from qsim.scenario.load import read
from tests.plot.runs import LEASES, STATION

TITLE = 'title: "Too <short> & \'risky\'"\ndescription: "Leases <b>end</b>.\\n\\nTwice."\n'
TITLED = LEASES.replace("run:", TITLE + "run:", 1)
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Its elements, checked for balance, and its text by section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "svg"} & set(self.open):
            self.text += data


@pytest.fixture
def page(here):
    """The page of a scenario's text."""

    def of(text: str, *options: str) -> Page:
        (here / "it.yaml").write_text(text)
        assert ask(["report", "it.yaml", "--html", "it.html", *options]) == 0
        page = Page((here / "it.html").read_text())
        page.source = (here / "it.html").read_text()
        return page

    return of


@pytest.fixture(autouse=True)
def there(here, monkeypatch):
    monkeypatch.chdir(here)


def test_it_has_all_its_parts(page):
    found = page(TITLED)
    assert [i for i in found.ids if i[0] != "f" or i == "figures"] == [
        "expectations",
        "advice",
        "figures",
        "numbers",
        "provenance",
    ]
    text = " ".join(found.text.split())
    for said in (
        "Too <short> & 'risky'", "Leases <b>end</b>.", "Twice.", "1m, left out of averages and counts",
        "worker.effects_per_message max: expected 1, got", "Because", "the lease <ended> first", "A101",
        "The deliveries of api:", "When alerts fired", "qsim run it.yaml", "every default filled in",
        "visibility_timeout: 30s", "jobs-dlq", "lease expired",
    ):  # fmt: skip
        assert said in text, said
    assert found.tags.count("svg") == 2 * found.tags.count("figure") == 8


def test_it_is_one_file_without_network_or_scripts(page):
    found = page(TITLED)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", found.source)
    assert "script" not in found.tags and "link" not in found.tags and "b" in found.tags
    links = [value for name, value in found.attributes if name in ("src", "href")]
    assert all(link.startswith("#") for link in links)
    svg_ids = re.findall(r' id="([^"]+)"', found.source)
    assert len(set(svg_ids)) == len(svg_ids)
    assert {link[1:] for link in links} <= set(svg_ids)


def test_its_numbers_are_those_of_the_terminal(page, qsim):
    found = page(LEASES)
    shown = qsim("run", "it.yaml").out
    line = next(line for line in shown.splitlines() if line.startswith(" jobs "))
    assert all(cell in found.text for cell in re.split(r" {2,}", line.strip()))
    assert shown.splitlines()[-1].removeprefix("digest ") in found.text


def test_theory_stands_beside_what_it_knows(page):
    found = page(STATION, "--replications", "3")
    assert "theory" in found.ids and "jobs with worker is M/M/2" in found.text
    expected, _ = found.text.split("M/M/2")[1].split("jobs.wait mean")[1].split("±")[0].split("ms", 1)
    assert float(expected) == 134.51  # C(2, 1.4) / (2 / 0.14 - 10), by hand
    assert "theory" not in page(LEASES).ids


def test_what_is_only_nearly_so_is_marked(page):
    found = page(STATION, "--set", "consumers.worker.service=140ms")
    told = found.text.split("is nearly M/D/2")[1].split("an approximation")[0]
    assert told.count("approximation") == 4 and "approximation" not in told.split("jobs.wait mean")[0]
    assert "approximation" not in page(STATION).text


def test_the_law_of_little_is_told_with_the_time_of_the_run(page, qsim):
    """λ = 10/s, so that the number is ten times the mean time that the same run tells."""
    text = STATION.replace("jobs: {}", "jobs: {delay: 2s}")
    found = page(text)
    told = (
        found.text.split("jobs with worker is stable")[1].split("jobs.depth mean")[1].split("λ × jobs.latency mean")[0]
    )
    answer = json.loads(qsim("run", "it.yaml", "--metric", "jobs.latency mean", "--json").out)
    stay = answer["metrics"]["jobs.latency mean"]
    assert float(told) == round(10 * stay, 1)


def test_the_figures_of_a_sweep(page, here):
    (here / "sweep.csv").write_text(
        "consumers.worker.count,consumers.worker.service,replication,seed,jobs.wait p95,digest\n"
        "2,80ms,1,1,3.5,x\n2,90ms,1,1,4.5,x\n3,80ms,1,1,0.5,x\n3,90ms,1,1,0.7,x\n"
    )
    found = page(STATION, "--sweep", "sweep.csv")
    assert "sweep" in found.ids
    assert found.text.count("jobs.wait p95 over consumers.worker.count and consumers.worker.service") == 2


def test_a_reason_is_given_once(page):
    found = page(LEASES.replace("below: 1000", "above: 1000"))
    assert (
        found.text.count("expected") >= 2 and found.text.count("What happened") == 2
    )  # one is the heading of the figures


def test_what_is_set_is_in_the_command(page):
    found = page(STATION, "--set", "consumers.worker.count=3", "--seed", "5")
    assert "qsim run it.yaml --set consumers.worker.count=3 --seed 5" in found.text


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--seed", "5", "--set", "consumers.worker.count=3"],
        ["--replications", "2", "--variant", "more"],
        ["--until", "1m"],
    ],
)
def test_a_reader_gets_it_again_from_the_page_alone(qsim, page, here, options):
    found = page(STATION + "variants: {more: {consumers.worker.count: 2}}\n", *options)
    scenario = unescape(re.search("<pre>(.*?)</pre>", found.source, re.DOTALL)[1])
    command = re.search(r"save the scenario below as (\S+), then: qsim (.*)", found.text)
    (here / "it.yaml").unlink()
    (here / command[1]).write_text(scenario)
    again = json.loads(qsim(*command[2].split(), "--json").out)
    assert again["digest"] == re.search(r"digest([0-9a-f]{64})", found.text)[1]


def test_the_files_that_it_reads_are_named(page, here):
    (here / "times.csv").write_text("t\n1\n2\n")
    found = page(STATION.replace("{exponential: {mean: 140ms}}", "{empirical: {file: times.csv, column: t, unit: s}}"))
    assert "times.csv, which must lie beside it" in found.text
    assert "must lie beside it" not in page(STATION).text


@pytest.mark.parametrize("html", [".", "nowhere/it.html"])
def test_where_it_cannot_be_written_is_said_before_the_run(qsim, here, html):
    (here / "it.yaml").write_text(STATION)
    answer = qsim("report", "it.yaml", "--html", html)
    assert answer.code == 2 and f"{html}: not a file that can be written" in answer.err


def test_its_name_is_that_of_the_scenario(qsim, here):
    (here / "it.yaml").write_text(STATION)
    assert qsim("report", "it.yaml", "--until", "1m").lines == ["written to station.html"]
    text = (here / "station.html").read_text()
    assert "stopped at 1m of 30m" in text and "qsim run it.yaml --until 1m" in text


@pytest.mark.parametrize(
    "name", ["fan-out", "autoscale-policies", "broker-restart", "shared-dependency", "redis-stream-claim"]
)
def test_bundled_scenarios_have_reports(name, here):
    assert ask(["report", name, "--replications", "1", "--until", "2m", "--html", "it.html"]) == 0
    found = Page((here / "it.html").read_text())
    assert found.tags.count("svg") == 2 * found.tags.count("figure") > 0


def test_every_figure_of_a_bundled_scenario_can_be_read():
    from qsim.plot import figures

    for name in bundled():
        for plot in read(name).plots:
            assert figures.read(plot)


def test_the_page_shows_what_the_warm_up_was_found_in(qsim, here):
    (here / "found.yaml").write_text(STATION.replace("warmup: 2m", "warmup: auto"))
    assert qsim("report", "found.yaml").code == 0
    page = (here / next(path.name for path in here.glob("*.html"))).read_text()
    assert "found by MSER-5 of jobs.depth" in page and "<figcaption>jobs.depth</figcaption>" in page
