"""Grades as files: a row a submission, a JUnit case an exercise, or everything as JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from qsim.cli.junit import clean, report
from qsim.lab.grading import Grade
from qsim.lab.sandbox import Outcome


def write_csv(path: Path, done: list[Grade]) -> None:
    """submission, lesson, points, of, problem; then the points of each exercise."""
    names = sorted({one.exercise for grade in done for one in grade.worst})
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["submission", "lesson", "points", "of", "problem", *names])
        for grade in done:
            points = {one.exercise: f"{one.points:g}" for one in grade.worst}
            table.writerow(_begins(grade) + [points.get(name, "") for name in names])


def _begins(grade: Grade) -> list[str]:
    one = grade.submission
    return [_no_formula(one.whose), one.lesson, f"{grade.points:g}", f"{grade.of:g}", _no_formula(one.problem)]


def _no_formula(text: str) -> str:
    """A spreadsheet runs what begins with these; a file's name is somebody else's text."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def write_json(path: Path, done: list[Grade]) -> None:
    """Every exercise with its feedback, and the seed it is from."""
    told = {"submissions": [_jsonable(grade) for grade in done]}
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _jsonable(grade: Grade) -> dict[str, Any]:
    one = grade.submission
    return {
        "submission": one.whose, "file": str(one.path), "lesson": one.lesson, "problem": one.problem,
        "points": grade.points, "of": grade.of, "exercises": [_exercise(outcome) for outcome in grade.worst],
    }  # fmt: skip


def _exercise(one: Outcome) -> dict[str, Any]:
    return {
        "exercise": one.exercise, "points": one.points, "of": one.of, "seed": one.seed, "error": one.error,
        "feedback": list(one.lines), "seconds": one.seconds,
    }  # fmt: skip


def write_junit(path: Path, done: list[Grade]) -> None:
    """A suite a submission; an exercise without all points is a failure, one that could not be checked an error."""
    report(path, "qsim grade", done, _suite)


def _suite(root: Element, grade: Grade) -> None:
    one = grade.submission
    kinds = [_kind(outcome) for outcome in grade.worst] or ["error"]
    suite = SubElement(
        root, "testsuite", name=clean(one.whose), tests=str(len(kinds)), failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")), time=f"{grade.seconds:.3f}",
    )  # fmt: skip
    if one.problem:
        case = SubElement(suite, "testcase", classname=clean(one.whose), name="can be graded", time="0")
        SubElement(case, "error", message=clean(one.problem))
    for outcome in grade.worst:
        _case(suite, outcome, clean(one.whose))


def _kind(outcome: Outcome) -> str:
    return "error" if outcome.error else "failure" if outcome.points < outcome.of else ""


def _case(suite: Element, outcome: Outcome, whose: str) -> None:
    case = SubElement(suite, "testcase", classname=whose, name=outcome.exercise, time=f"{outcome.seconds:.3f}")
    properties = SubElement(case, "properties")
    for name, value in (("points", f"{outcome.points:g}"), ("of", f"{outcome.of:g}"), ("seed", outcome.seed)):
        if value is not None:
            SubElement(properties, "property", name=name, value=str(value))
    if kind := _kind(outcome):
        message = outcome.error or f"{outcome.points:g} of {outcome.of:g} points"
        SubElement(case, kind, message=clean(message)).text = clean(outcome.told)
