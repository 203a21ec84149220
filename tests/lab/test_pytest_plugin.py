"""The pytest plugin, in a pytest of its own: a teacher's tests and a folder of scenario files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.lab.conftest import SHOP

pytest_plugins = ["pytester"]

TEACHER = """
import pytest
from qsim import expect

@pytest.mark.exercise("01.1", points=3)
def test_backlog(run):
    r = run("shop.yaml", {"consumers.worker.count": 9})
    expect(r).that("orders.visible at end").equals(2000)

@pytest.mark.exercise("01.2", points=2)
def test_growth(run):
    r = run("shop.yaml")
    expect(r).that("orders.visible at end").equals(2000)

@pytest.mark.exercise("01.2")
def test_nothing_is_lost(run):
    expect(run("shop.yaml")).no_message_lost()
"""


@pytest.fixture
def ask(pytester: pytest.Pytester):
    """pytest with the plugin, once: an environment that has qsim installed has it by its entry point."""
    (pytester.path / "shop.yaml").write_text(SHOP)

    def asked(*arguments: str, **files: str) -> pytest.RunResult:
        if files:
            pytester.makepyfile(**files)
        return pytester.runpytest_subprocess("-p", "no:qsim", "-p", "qsim.lab.pytest_plugin", "-p", "no:cacheprovider", *arguments)

    return asked


def test_a_failure_is_the_lesson_and_no_traceback(ask):
    result = ask(test_week=TEACHER)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            'test_week.py:12: expect(r).that("orders.visible at end").equals(2000)',
            "✗ orders.visible at end: expected 2,000, got 4,000",
            "*What happened*shop sent 20,000 in 20s*",
            "*Because*orders: 20,000 accepted*",
        ]
    )
    result.stdout.no_fnmatch_line("*def test_growth*")
    result.stdout.no_fnmatch_line("*expect.py*")


def test_a_teacher_may_see_the_traceback(ask):
    ask("--full-trace", test_week=TEACHER).stdout.fnmatch_lines(["*def test_growth*"])


def test_other_failures_keep_their_traceback(ask):
    result = ask(test_week="def test_sum(run):\n    assert 1 + 1 == 3\n")
    result.stdout.fnmatch_lines(["*def test_sum(run):", "E * assert (1 + 1) == 3"])


def test_what_is_wrong_with_a_scenario_is_told_without_a_traceback(ask):
    result = ask(test_week='def test_it(run):\n    run("shop.yaml", {"consumers.wrker.count": 3})\n')
    result.stdout.fnmatch_lines(["*did you mean 'worker'*"])
    result.stdout.no_fnmatch_line("*def test_it*")


@pytest.mark.parametrize("processes", [(), ("-n", "2")])
def test_points_stand_in_the_summary_and_in_the_junit_report(ask, pytester: pytest.Pytester, processes: tuple[str, ...]):
    result = ask("--strict-markers", "--junit-xml=out.xml", *processes, test_week=TEACHER)
    result.stdout.fnmatch_lines(["*= points =*", "01.1 *3 of 3", "01.2 *1 of 3", "in all *4 of 6"])
    cases = ElementTree.parse(pytester.path / "out.xml").iter("testcase")
    told = {case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")} for case in cases}
    assert told == {
        "test_backlog": {"exercise": "01.1", "points": "3", "of": "3"},
        "test_growth": {"exercise": "01.2", "points": "0", "of": "2"},
        "test_nothing_is_lost": {"exercise": "01.2", "points": "1", "of": "1"},
    }


def test_what_fails_before_the_test_costs_its_points(ask):
    broken = """
    import pytest

    @pytest.fixture
    def base(run):
        return run("nowhere.yaml")

    @pytest.mark.exercise("01.1", points=3)
    def test_it(base): ...

    @pytest.mark.exercise("01.2", points=2)
    @pytest.mark.skip
    def test_skipped(): ...
    """
    ask(test_week=broken).stdout.fnmatch_lines(["01.1 *0 of 3", "01.2 *0 of 2"])


CACHED = """
import pytest

def test_the_same_is_run_once(run, scenario):
    first = run("shop.yaml", {"consumers.worker.count": 9})
    assert run("shop.yaml", {"consumers.worker.count": 9}) is first
    assert run(scenario("shop.yaml", {"consumers.worker.count": 9})) is first
    assert run(scenario("shop.yaml"), {"consumers.worker.count": 9}) is first
    for other in (dict(seed=2), dict(replication=2)):
        assert run("shop.yaml", {"consumers.worker.count": 9}, **other) is not first
    assert run("shop.yaml")["worker.count at end"] == 8
    pytest.first = first

def test_of_all_tests(run):
    assert run("shop.yaml", {"consumers.worker.count": 9}) is pytest.first

def test_bundled_scenarios_go_by_name_and_variant(scenario):
    assert scenario("backlog-growth").name == "backlog-growth"
    variant = list(scenario("backlog-growth").variants())[1]
    assert scenario("backlog-growth", variant=variant).variant == variant

def test_few_runs_are_kept(run, request, monkeypatch):
    from qsim.lab import pytest_plugin
    monkeypatch.setattr(pytest_plugin, "KEPT", 2)
    made = [run("shop.yaml", {"run.duration": "1s"}, seed=seed) for seed in (1, 2, 1, 3, 1, 2)]
    assert made[0] is made[2] is made[4] and made[1] is not made[5]

def test_the_graders_seed(run, monkeypatch):
    monkeypatch.setenv("QSIM_EXERCISE_SEED", "77")
    assert run("shop.yaml").seed == 77 and run("shop.yaml", seed=5).seed == 5
"""


def test_fixtures(ask):
    ask(test_week=CACHED).assert_outcomes(passed=5)


EXPECTING = (
    SHOP
    + """
expect:
  - {that: orders.visible at end, is: 4000}
  - {that: orders.visible at end, is: 5000}
  - no_message_lost: true
  - {that: orders.recovery_time p95, below: 2s}
"""
)


@pytest.mark.parametrize("processes", [(), ("-n", "2")])
def test_a_scenario_file_is_a_test_an_expectation(ask, pytester: pytest.Pytester, processes: tuple[str, ...]):
    (pytester.path / "shop.qsim.yaml").write_text(EXPECTING)
    result = ask("-rs", *processes)
    result.assert_outcomes(passed=2, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["✗ orders.visible at end: expected 5,000, got 4,000", "*What happened*"])
    result.stdout.fnmatch_lines(["*inconclusive:*orders.recovery_time p95*no data*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_each_expectation_has_a_name(ask, pytester: pytest.Pytester):
    (pytester.path / "shop.qsim.yaml").write_text(EXPECTING)
    result = ask("--collect-only", "-q")
    result.stdout.fnmatch_lines(
        [
            "shop.qsim.yaml::orders.visible at end is",
            "shop.qsim.yaml::orders.visible at end is (2)",
            "shop.qsim.yaml::no_message_lost",
            "shop.qsim.yaml::orders.recovery_time p95 below",
        ]
    )


def test_a_wrong_file_is_told_with_line_and_column_and_files_without_expectations_are_no_tests(ask, pytester: pytest.Pytester):
    (pytester.path / "bare.qsim.yaml").write_text(SHOP)
    (pytester.path / "wrong.qsim.yaml").write_text(EXPECTING.replace("service:", "servce:"))
    result = ask()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*wrong.qsim.yaml:7:*servce*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_without_the_plugin_there_is_nothing_of_it(pytester: pytest.Pytester):
    (pytester.path / "shop.qsim.yaml").write_text(EXPECTING)
    pytester.makepyfile(test_other="def test_it(): pass")
    pytester.runpytest_subprocess("-p", "no:qsim").assert_outcomes(passed=1)


def test_who_does_not_use_it_pays_nothing():
    code = "import pytest, sys; import qsim.lab.pytest_plugin; print([m for m in sys.modules if m.startswith('qsim')]); " + (
        "print({'numpy', 'pandas', 'pydantic', 'simpy', 'matplotlib'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['qsim', 'qsim.lab', 'qsim.lab.pytest_plugin']", "set()"]


def test_the_package_names_it_to_pytest():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"qsim": "qsim.lab.pytest_plugin"}
