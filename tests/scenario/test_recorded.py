"""What is read of a file of recorded messages (SCENARIO.md, producers: trace)."""

import pytest

from qsim.scenario import files, recorded
from qsim.scenario.load import read
from qsim.scenario.plan import Recorded
from qsim.scenario.problems import ScenarioError
from qsim.sim.simulate import simulate
from qsim.units import MILLISECOND, SECOND

COLUMN = files.Column("day.csv", "sent", "ms")


@pytest.fixture
def day(tmp_path):
    def write(text, priorities=(), column=COLUMN):
        (tmp_path / "day.csv").write_text(text)
        return recorded.read(tmp_path, column, priorities)

    return write


def test_times_are_sorted_and_the_other_columns_follow_them(day):
    found = day("size,sent,group,priority,note\n20,7.5,ann,low,x\n10,0,bob,high,y\n30,9,ann,,z\n", ("high", "low"))
    assert found.times == (0, 7_500_000, 9_000_000)
    assert found.sizes == (10, 20, 30)
    assert found.groups == (0, 1, 1), "numbered as they first come: bob, ann, ann"
    assert found.levels == (0, 1, 1), "who says nothing has the last"


def test_columns_that_are_not_there_say_nothing(day):
    assert day("sent\n1\n") == Recorded((MILLISECOND,))


def test_a_queue_without_priorities_does_not_look_at_them(day):
    assert day("sent,priority\n1,whatever\n").levels == ()


def test_equal_times_stay_in_the_order_of_the_file(day):
    assert day("sent,size\n1,5\n1,3\n1,4\n").sizes == (5, 3, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sent\n", "has no rows"),
        ("at\n1\n", "has no column 'sent'"),
        ("sent\nnoon\n", "line 2: 'noon' is not a number"),
        ("sent\n-1\n", "line 2: '-1' is not a time"),
        ("sent,size\n1,2\n2,1.5\n", "line 3: size '1.5' is not a whole number of bytes"),
        ("sent,size\n1,\n", "line 2: size '' is not"),
        ("sent,priority\n1,top\n", "line 2: 'top' is not a priority"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(day, text, words):
    with pytest.raises(files.NotAllowed, match=words):
        day(text, ("high", "low"))


def test_a_file_that_was_written_anew_is_read_anew(day, tmp_path):
    assert day("sent\n1\n").times == (MILLISECOND,)
    (tmp_path / "day.csv").write_text("sent\n2\n")
    import os

    os.utime(tmp_path / "day.csv", ns=(1, 1))
    assert recorded.read(tmp_path, COLUMN, ()).times == (2 * MILLISECOND,)


def test_the_part_that_is_sent():
    everything = Recorded((0, 1, 2, 3, 4), sizes=(5, 6, 7, 8, 9))
    assert recorded.part(everything, 1, 4, None) == Recorded((1, 2, 3), (6, 7, 8))
    assert recorded.part(everything, 1, 4, 2) == Recorded((1, 2), (6, 7))


PARQUET = "qsim: 1\nname: x\nrun: {duration: 1m}\nqueues: {q: {}}\nproducers: {p: {to: q, trace: {file: day.parquet, column: sent, unit: s}}}\n"


def test_a_parquet_file_says_the_same(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"sent": [2.5, 1.0], "size": [7, 8], "group": ["a", None]})
    parquet.write_table(table, tmp_path / "day.parquet")
    found = recorded.read(tmp_path, files.Column("day.parquet", "sent", "s"), ())
    assert found == Recorded((SECOND, 2_500_000_000), (8, 7), (-1, 0))


def test_a_parquet_file_without_pyarrow_is_a_located_error(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "day.parquet").write_bytes(b"PAR1")
    with pytest.raises(ScenarioError) as error:
        read(text=PARQUET, file_name=str(tmp_path / "x.yaml"))
    assert "x.yaml:5:" in str(error.value) and "pip install 'qsim-lab[parquet]'" in str(error.value)


def test_what_is_no_parquet_file_is_said(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "day.parquet").write_text("sent\n1\n")
    with pytest.raises(ScenarioError, match="is not a Parquet file"):
        read(text=PARQUET, file_name=str(tmp_path / "x.yaml"))


def test_messages_are_sent_as_they_were_recorded_with_size_group_and_priority(tmp_path):
    (tmp_path / "day.csv").write_text("sent,size,group,priority\n0.5,100,a,low\n2,200,b,high\n2,300,a,low\n99,1,c,low\n")
    text = (
        "qsim: 1\nname: x\nrun: {duration: 1m}\nqueues: {q: {order: priority, priorities: [high, low], capacity: {bytes: 250B}}}\n"
        "producers: {p: {to: q, trace: {file: day.csv, column: sent, unit: s}}}\n"
        "expect: [{that: p.sent total, is: 3}]\n"
    )
    loaded = read(text=text, file_name=str(tmp_path / "x.yaml"))
    rows = [tuple(row) for row in simulate(loaded.plan).rows().tolist()]
    sent = [(row[0] / SECOND, row[6], row[7]) for row in rows if row[5] == 1]
    assert sent == [(0.5, 1, 0), (2, 0, 1), (2, 1, 0)], "the fourth is after the end"
    assert [row[1] for row in rows if row[5] == 12] == [1, 2], "100 + 200 and 100 + 300 bytes are too much"


def test_a_fifo_queue_takes_its_groups_from_the_file(tmp_path):
    (tmp_path / "day.csv").write_text("sent,group\n0,a\n")
    text = PARQUET.replace("parquet", "csv").replace("{q: {}}", "{q: {profile: sqs-fifo}}")
    plan = read(text=text, file_name=str(tmp_path / "x.yaml")).plan
    assert plan.producers[0].recorded.groups == (0,)
