"""What an answer does to itself, it does to nobody else: one sandbox for all of these, and it still works at the end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qsim.lab.sandbox import LessonFails, Limits, Sandbox
from tests.lab.conftest import TOY

RIGHT = "rate = 1000"


@pytest.fixture(scope="module")
def box():
    with Sandbox(TOY / "91-toy.py", Limits(wall_s=2, memory=512 * 1024**2)) as box:
        yield box


def ask(box, *answers: str, seed=None, files=()):
    return box.ask("91.2", 1.0, answers, seed, files)


def test_a_right_answer_gets_its_points(box):
    assert (ask(box, RIGHT).points, ask(box, RIGHT).error) == (1.0, "")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("rate = ...", "not answered yet"),
        ("rate = 1 / 0", "ZeroDivisionError: division by zero (line 1 of the answer)"),
        ("rate = (", "SyntaxError"),
        ("other = 3", "name 'rate' is not defined"),
        ("while True: pass", "took longer than 2 s"),
        ("while True: print('x' * 100_000)", "took longer than 2 s"),
        ("import os\nwhile True: os.fork()", "took longer than 2 s"),
        ("import sys; sys.exit(0)", "called exit()"),
        ("import os; os._exit(0)", "ended the process"),
        ("import os; os.kill(os.getppid(), 9)", "ended the process that grades it"),
        ("rate = bytearray(10**11)", "more memory"),
        ("open('big', 'wb').write(bytes(10**8))", "File too large"),
        ("from qsim.lab.exercises import Exercise\nExercise.score = lambda self: 9\nrate = 0", "changed qsim itself"),
        ("from qsim.lab import Exercise\nExercise.check.__code__ = (lambda *a: 1).__code__\nrate = 0", "changed qsim"),
        ("import builtins\nbuiltins.float = lambda x: 9.0\nrate = 0", "changed qsim"),
        ("exercise = expect = None\nrate = 0", "this does not hold"),
        ("class rate:\n    def __eq__(self, other): raise SystemExit\nrate = rate()", "called exit()"),
    ],
)
def test_a_broken_answer_costs_its_points_and_is_told(box, answer, says):
    outcome = ask(box, answer)
    assert (outcome.points, says in outcome.told) == (0.0, True), outcome
    assert ask(box, RIGHT).points == 1.0


@pytest.mark.parametrize(
    "answer", [f"print('x' * 10**7)\n{RIGHT}", f"%time 1 + 1\n{RIGHT}", f"!ls\n{RIGHT}", f"display(3)\n{RIGHT}"]
)
def test_what_notebooks_do_is_no_mistake(box, answer):
    pytest.importorskip("IPython")
    assert ask(box, answer).points == 1.0


def test_answers_do_not_see_each_other(box):
    ask(box, "import builtins\nbuiltins.left = 1\nopen('left', 'w').write('here')\nrate = 1000")
    assert ask(box, "import os\nassert not os.path.exists('left')\nleft").error.startswith("raised NameError")


def test_a_process_left_behind_is_ended(box, tmp_path):
    note = tmp_path / "pid"
    left = "import os, time\nif (pid := os.fork()) == 0:\n    os.setsid()\n    time.sleep(60)\n    os._exit(0)\n"
    assert ask(box, f"{left}open({str(note)!r}, 'w').write(str(pid))\n{RIGHT}").points == 1.0
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_each_works_in_a_folder_of_its_own_with_what_stood_beside_it(box, tmp_path):
    (tmp_path / "mine.csv").write_text("1000")
    told = ask(box, "from pathlib import Path\nrate = int(Path('mine.csv').read_text())\nPath('out').touch()\n"
               "assert Path.home() == Path.cwd()", files=(str(tmp_path / "mine.csv"),))  # fmt: skip
    assert (told.points, told.error) == (1.0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


def test_the_check_runs_under_the_graders_seed_whatever_the_answer_sets(box):
    setting = "import os\nos.environ['QSIM_EXERCISE_SEED'] = '3'\n"
    asks = (
        "class Rate:\n    def __eq__(self, other): return os.environ.get('QSIM_EXERCISE_SEED') == '77'\nrate = Rate()"
    )
    assert ask(box, setting + asks, seed=77).points == 1.0
    assert ask(box, setting + asks, seed=None).points == 0.0


def test_each_exercise_sees_the_lesson_as_it_was_there(box):
    """``s`` is another scenario after 91.1."""
    seen = box.ask("91.1", 2.0, ("assert s.plan.duration == 2 * 10**9, s.plan.duration\nenough = ...",), None)
    assert seen.error == "", seen


def test_a_lesson_that_fails_says_so(tmp_path):
    broken = tmp_path / "92-broken.py"
    broken.write_text((TOY / "91-toy.py").read_text().replace('print("the lesson prints")', "1 / 0"))
    with Sandbox(broken, Limits()) as box:
        with pytest.raises(LessonFails, match="ZeroDivisionError"):
            ask(box, RIGHT)
        broken.unlink()  # it is not tried again for the next answer
        with pytest.raises(LessonFails, match="ZeroDivisionError"):
            ask(box, RIGHT)


def test_closing_ends_the_process():
    with Sandbox(TOY / "91-toy.py", Limits()) as box:
        ask(box, RIGHT)
        pid = box._process.pid
    assert not Path(f"/proc/{pid}").exists()


THREAD = '''
import threading, time
lock, holds = threading.Lock(), threading.Event()

def work():
    with lock:
        holds.set()
        time.sleep(%s)

threading.Thread(target=work, name="slow", daemon=True).start()
holds.wait()
'''
WAITS = "lock.acquire()\nrate = 1000"


def lesson_with(tmp_path, cell: str) -> Path:
    changed = tmp_path / "93-thread.py"
    changed.write_text((TOY / "91-toy.py").read_text().replace('print("the lesson prints")', cell))
    return changed


def test_what_a_thread_of_the_lesson_holds_is_free_again_when_answers_are_forked(tmp_path):
    with Sandbox(lesson_with(tmp_path, THREAD % 0.7), Limits(wall_s=2)) as box:
        outcome = ask(box, WAITS)
    assert (outcome.points, outcome.error) == (1.0, ""), outcome


def test_a_thread_that_a_lesson_leaves_at_work_is_the_lessons_mistake(tmp_path):
    impatient = "import sys\nsys.modules['__main__'].PATIENCE_WITH_THREADS_S = 0.1\n"
    changed = lesson_with(tmp_path, impatient + THREAD % 60)
    with Sandbox(changed, Limits(wall_s=2)) as box, pytest.raises(LessonFails, match="a thread at work: slow"):
        ask(box, WAITS)


def test_processes_that_a_lesson_began_are_not_taken_for_an_answers_own(tmp_path):
    """Both sweep in several processes."""
    sweep = "from qsim import sweep\nsmall = load('backlog-growth').set('run.duration', '1s')\n"
    many = "sweep(small, {'consumers.worker.count': [7, 8]}, metrics=['orders.visible at end'], jobs=2)\n"
    with Sandbox(lesson_with(tmp_path, sweep + many), Limits(wall_s=20)) as box:
        outcome = ask(box, many + RIGHT)
    assert (outcome.points, outcome.error) == (1.0, ""), outcome


def test_a_magic_of_the_lesson_leaves_no_thread(tmp_path):
    """IPython would keep a history, in a thread that never ends."""
    with Sandbox(lesson_with(tmp_path, "%time 1 + 1"), Limits(wall_s=2)) as box:
        outcome = ask(box, RIGHT)
    assert (outcome.points, outcome.error) == (1.0, ""), outcome
