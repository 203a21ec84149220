"""A scenario that names code: refused unless it is allowed, and then run by every command that runs something."""

import json
from operator import attrgetter

import pytest

from qsim.scenario.load import read
from qsim.study.tasks import Task, one_by_one, processes

raised = attrgetter("recording.raised")

WORK = """
import beside

def handle(message, store):
    if message.order % 10 == beside.three:
        raise KeyError(message.order)
    store.charge(message.order)

def never(message, store):
    print("hello")
    while True:
        store.exists(1)
"""


@pytest.fixture
def mine(here):
    """small.yaml with a handler of its own, which leaves a trace when it is imported."""
    (here / "work.py").write_text(f"open({str(here / 'imported')!r}, 'a').write('x')\n" + WORK)
    (here / "beside.py").write_text("three = 3\n")
    text = (
        (here / "small.yaml")
        .read_text()
        .replace("service: 100ms", "service: 100ms, handler: work:handle, failures: {on_error: wait-for-timeout}")
    )
    (here / "mine.yaml").write_text(text)
    return here


def test_code_is_not_run_unless_it_is_allowed(qsim, mine):
    answer = qsim("run", "mine.yaml")
    assert answer.code == 2 and answer.out == ""
    assert (
        "mine.yaml:6:69: error Q041: the handler 'work:handle' is code" in answer.err and "--allow-code" in answer.err
    )
    assert not (mine / "imported").exists()


@pytest.mark.parametrize("command", ["sweep", "find", "compare", "plot", "report", "trace", "check"])
def test_no_other_command_runs_it_either(qsim, mine, command):
    more = {
        "sweep": ["--over", "consumers.worker.count=2,3"], "find": ["--over", "consumers.worker.count=1..3"], "trace": ["--message", "api:1"]
    }.get(command, [])  # fmt: skip
    answer = qsim(command, "mine.yaml", *more)
    assert answer.code == 2 and "Q041" in answer.out + answer.err
    assert not (mine / "imported").exists()


@pytest.mark.parametrize("command", ["validate", "show", "advise"])
def test_who_runs_nothing_need_not_ask(qsim, mine, command):
    assert qsim(command, "mine.yaml").code == 0
    assert not (mine / "imported").exists()


def test_with_it_the_function_is_the_consumer(qsim, mine):
    answer = qsim("run", "mine.yaml", "--allow-code", "--metric", "worker.effects total")
    assert "worker.effects total  89" in answer.out
    assert "handler of worker raised 10 times: line 7: KeyError: 3" in answer.out
    assert "handler of worker raised 10 times" in qsim("run", "mine.yaml", "--allow-code", "--quiet").err


def test_json_stays_json_whatever_a_handler_prints(qsim, mine):
    (mine / "work.py").write_text("def handle(message, store):\n    print('hello')\n    1 / 0\n")
    answer = qsim("run", "mine.yaml", "--allow-code", "--json")
    assert json.loads(answer.out)["raised"] == {"worker": {"line 3: ZeroDivisionError: division by zero": 99}}
    assert "raised" not in json.loads(qsim("run", "small.yaml", "--json").out)


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("sweep", ["--over", "consumers.worker.count=2,3"]),
        ("compare", ["small.yaml"]),
        ("trace", ["--message", "api:3"]),
        ("check", []),
        ("plot", ["--out", "x.svg"]),
        ("report", ["--html", "x.html"]),
        ("find", ["--over", "consumers.worker.count=1..3", "--that", "jobs.wait p95"]),
    ],
)
def test_every_command_that_runs_takes_the_permission(qsim, mine, command, more):
    answer = qsim(command, "mine.yaml", *more, "--allow-code")
    assert answer.code in (0, 1) and "Q041" not in answer.out + answer.err
    assert (mine / "imported").exists()


@pytest.mark.parametrize("is_given", [False, True])
def test_processes_have_it_too(mine, is_given):
    """By its text, or as it is where a person handed it over: also what is defined in a notebook, and what that uses."""
    every = 10

    def handle(message, store):
        if message.order % every:
            store.charge(message.order)
        raise KeyError(message.order)

    loaded = read(mine / "mine.yaml", allow_code=True)
    plan = (loaded.with_changes({"consumers.worker.handler": handle}) if is_given else loaded).plan
    tasks = [Task(plan, replication) for replication in (1, 2, 3)]
    beside, here = (
        sorted((n, answer.digest, answer.told) for n, answer in made(tasks, raised))
        for made in (processes(2), one_by_one)
    )
    assert beside == here and here[0][2]["worker"]


def test_what_is_kept_of_a_sweep_knows_no_handler(qsim, mine):
    ask = [
        "sweep",
        "mine.yaml",
        "--allow-code",
        "--over",
        "consumers.worker.count=2,3",
        "--metric",
        "worker.effects total",
        "--resume",
    ]
    first = qsim(*ask)
    (mine / "work.py").write_text(WORK.replace("== beside.three", "!= beside.three"))
    assert first.code == 0 and qsim(*ask).out != first.out


@pytest.mark.parametrize(
    ("handler", "source", "says"),
    [
        ("gone:handle", "", "there is no module 'gone'; it would be the file gone.py beside the scenario"),
        ("work:gone", WORK, "work has no function 'gone'; its functions: handle, never"),
        ("work:handle", "def handle(message): pass", "too many positional arguments); def handle(message, store): ..."),
        ("work:handle", "handle = 3", "work:handle is 3, which is no function"),
        (
            "work:handle",
            "async def handle(m, s): ...",
            "a coroutine: no line of it ran; write def instead of async def",
        ),
        (
            "work:handle",
            "import no_such_thing",
            "importing work raised ModuleNotFoundError: No module named 'no_such_thing'; look at work, line 1",
        ),
        (
            "work:handle",
            "x = 1\nx.y",
            "importing work raised AttributeError: 'int' object has no attribute 'y'; look at work, line 2",
        ),
        ("work:handle", "raise SystemExit(1)", "importing work raised SystemExit: 1"),
        ("work:handle", "def handle(:", "work is not Python, line 1: invalid syntax"),
        ("work.py", WORK, "'work.py' is not module:function; write worker:handle"),
    ],
)
def test_what_cannot_be_called_is_said_before_anything_runs(qsim, mine, handler, source, says):
    (mine / "work.py").write_text(source)
    answer = qsim("run", "mine.yaml", "--allow-code", "--set", f"consumers.worker.handler={handler}")
    assert answer.code == 2 and says in answer.err
    (mine / "mine.yaml").write_text((mine / "mine.yaml").read_text().replace("work:handle", handler))
    answer = qsim("run", "mine.yaml", "--allow-code")
    assert answer.code == 2 and answer.err.startswith("mine.yaml:6:69: error Q042: ")


def test_a_loop_of_calls_is_said(qsim, mine):
    answer = qsim("run", "mine.yaml", "--allow-code", "--set", "consumers.worker.handler=work:never")
    assert (
        answer.code == 2
        and "10,000 calls in one delivery, exists(1) the last" in answer.err
        and "Traceback" not in answer.err
    )


def test_a_variant_with_code_refuses_itself_and_not_the_file(qsim, here):
    text = (here / "small.yaml").read_text() + "  mine: {consumers.worker.handler: 'work:handle'}\n"
    (here / "small.yaml").write_text(text)
    assert qsim("run", "small.yaml").code == 0
    assert "Q041" in qsim("run", "small.yaml", "--variant", "mine").err
