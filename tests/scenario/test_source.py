"""YAML 1.2, with the place of everything, and nothing that could hurt."""

import os
from contextlib import suppress

import pytest

from qsim.scenario.problems import ScenarioError
from qsim.scenario.source import LARGEST, Real, read_bytes, read_text


def where(place):
    return place.line, place.column


def refused(text):
    with pytest.raises(ScenarioError) as caught:
        read_bytes(text.encode() if isinstance(text, str) else text, "x.yaml")
    problem = caught.value.problems[0]
    return problem.code, *where(problem.place)


def test_every_key_and_value_has_its_place():
    document = read_text("queues:\n  orders: {dlq: {queue: dead}}\n", "x.yaml")
    assert where(document.place(("queues", "orders", "dlq"), of_key=True)) == (2, 12)
    assert where(document.place(("queues", "orders", "dlq", "queue"))) == (2, 25)
    assert where(document.place(("queues", "orders", "missing", "deep"))) == (2, 3)


def test_words_of_yaml_1_1_are_text():
    data = read_text("a: yes\nb: on\nc: 1:30\nd: 010\ne: 0o10\nf: ~\ng: 600_000\nh: 'x'\n", "x.yaml").data
    assert data == {"a": "yes", "b": "on", "c": "1:30", "d": 10, "e": 8, "f": None, "g": 600_000, "h": "x"}


def test_a_byte_order_mark_before_the_text_says_nothing():
    document = read_bytes(b"\xef\xbb\xbfa: {b: 1}\n", "x.yaml")
    assert document.data == {"a": {"b": 1}} and where(document.place(("a", "b"))) == (1, 8)


def test_a_float_remembers_its_text():
    version = read_text("version: 3.10", "x.yaml").data["version"]
    assert isinstance(version, Real)
    assert version.text == "3.10"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("a: {}\nb: {}\na: {}\n", ("Q001", 3, 1)),
        ("a:\n\tb: 1", ("Q001", 2, 1)),
        ("a: \0", ("Q001", 1, 4)),
        ("a: \ufeff1", ("Q001", 1, 4)),
        (b"a: \xff", ("Q001", 1, 4)),
        ("a: .nan", ("Q001", 1, 4)),
        ("a: -.inf", ("Q001", 1, 4)),
        ("a: 1e999", ("Q001", 1, 4)),
        ("a: " + "9" * 5000, ("Q001", 1, 4)),
        ("a: &x {b: 1}\nc: {<<: *x}", ("Q001", 2, 5)),
        ("a: 1\n--- \nb: 2", ("Q001", 2, 1)),
        ("1: a", ("Q001", 1, 1)),
        ("? [a]\n: b", ("Q001", 1, 3)),
        ("a: !!python/object:os.system x", ("Q001", 1, 4)),
        ('a: "\\U99999999"', ("Q001", 1, 1)),
        ("a: *nobody", ("Q001", 1, 4)),
        ('a: "never closed', ("Q001", 1, 17)),
        ("a: &a [*a]", ("Q003", 1, 8)),
        ("- " * 60 + "a", ("Q003", 1, 101)),
        ("x: " + "[" * 51, ("Q003", 1, 54)),
    ],
)
def test_what_is_not_a_scenario_is_refused_where_it_stands(text, answer):
    assert refused(text) == answer


def test_too_large_is_said_before_parsing():
    assert refused("# " + "x" * LARGEST)[0] == "Q002"


def test_brackets_in_text_and_comments_are_not_nesting():
    document = read_text("a: '" + "[" * 60 + "'\nb: 1 # " + "{" * 60 + '\nc: "' + "[" * 60 + '"\n', "x.yaml")
    assert document.data["b"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "a: &a ["
        + "1, " * 9
        + "]\n"
        + "".join(f"x{i}: &x{i} [{f'*x{i - 1}, ' * 9 if i else '*a'}]\n" for i in range(30)),
        "".join(f"- &a{i} x\n" for i in range(10_000)),
        "a: [" + "1," * 65_000 + "]",
        "a: " + "".join(f"&a{i} [" for i in range(45)) + "1," * 20_000 + "]" * 45,
        "- \n" * 40_000,
        "a: " + "x " * 65_000,
        "\n" * 130_000,
    ],
    ids=["bomb", "anchors", "list", "nested anchors", "empty items", "long text", "empty lines"],
)
def test_no_file_takes_long(text):
    begin = os.times().user  # our own time: a busy machine is not the file's fault
    with suppress(ScenarioError):
        read_text(text, "x.yaml")
    assert os.times().user - begin < 2
