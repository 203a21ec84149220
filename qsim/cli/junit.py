"""What ``check`` found, as JUnit XML: a suite a file, a case an expectation; and what every such report is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from qsim.cli.ends import Exit

if TYPE_CHECKING:
    from qsim.claims.verdicts import Verdict
    from qsim.cli.check import Case

Judged = TypeVar("Judged")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(path: Path, cases: list[Case]) -> None:
    """One report of all files."""
    report(path, "qsim check", cases, _suite)


def report(path: Path, command: str, parts: Iterable[Judged], put: Callable[[Element, Judged], None]) -> None:
    """A file of the suites that ``put`` makes of the parts."""
    root = Element("testsuites", name=command)
    for part in parts:
        put(root, part)
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _suite(root: Element, case: Case) -> None:
    parts = list(_parts(case))
    count = {kind: str(sum(part[1] == kind for part in parts)) for kind in ("failure", "error", "skipped")}
    suite = SubElement(
        root, "testsuite", name=clean(case.name), tests=str(len(parts)), failures=count["failure"],
        errors=count["error"], skipped=count["skipped"], time=f"{case.wall_s:.3f}",
    )  # fmt: skip
    for name, kind, message, text in parts:
        one = SubElement(suite, "testcase", classname=clean(case.name), name=clean(name), time=f"{case.wall_s:.3f}")
        if kind:
            SubElement(one, kind, message=clean(message)).text = clean(text)


def _parts(case: Case) -> Iterator[tuple[str, str, str, str]]:
    """(name, failure | error | skipped | "", message, text) for each expectation, or for the file as a whole."""
    if case.code == Exit.STOPPED or not case.verdicts:
        kind = {"ok": "", "skipped": "skipped", "FAILED": "failure"}.get(case.word, "error")
        yield case.what or "runs", kind, case.told or "".join(case.reasons[:1]), "\n".join(case.reasons)
        return
    for verdict in case.verdicts:
        yield _part(verdict, case.trace)


def _part(verdict: Verdict, trace: tuple[str, str]) -> tuple[str, str, str, str]:
    kind = {True: "", False: "failure", None: "skipped"}[verdict.is_met]
    first, *why = verdict.lines()
    return f"{verdict.that} {verdict.expected}", kind, first, "\n".join(line.replace(*trace) for line in why)


def clean(text: str) -> str:
    """Without colours and what XML cannot hold."""
    return _NOT_XML.sub("�", re.sub("\x1b\\[[0-9;]*m", "", text))
