"""How fast, how large, how soon: qsim beside plain SimPy, measured in turn and told as ratios.

usage: python tests/bench/run.py [pairs] [growth] [memory] [start] [--rounds 5] [--messages 100000] [--large]

Machines are noisy, and two are never alike.  So each comparison is a pair of processes one after the other, several
times, and what counts is the ratio of each pair: its least, its median, its greatest.  These are measurements, not
tests: nothing fails here, and pytest does not collect it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


@dataclass(frozen=True)
class Pair:
    """Messages/s of the first over those of the second."""

    title: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    budget: str


PLAIN = ("yardsticks/simpy_plain.py", "{messages}")
ENGINE = ("ours.py", "engine", "callbacks", "{messages}")
PAIRS = [
    Pair("kernel, ideal", ("ours.py", "kernel", "ideal", "{messages}"), PLAIN, ">= 6"),
    Pair("kernel, ideal with a lease", ("ours.py", "kernel", "ideal-lease", "{messages}"), PLAIN, ">= 6"),
    Pair("kernel, sqs-standard", ("ours.py", "kernel", "sqs-standard", "{messages}"), PLAIN, ">= 6"),
    Pair("kernel, a queue without the broker", ("ours.py", "queue", "ideal-lease", "{messages}"), PLAIN, ">= 6"),
    Pair("engine, workload 3", ENGINE, PLAIN, ">= 3"),
    Pair("engine, consumers as processes", ("ours.py", "engine", "processes", "{messages}"), PLAIN, ">= 2"),
]
GROWTH = [
    Pair("backlog of 1,000,000", ("ours.py", "backlog", "1000000"), ("ours.py", "backlog", "100"), ">= 0.5"),
    Pair("119,980 leased", ("ours.py", "leased", "119980"), ("ours.py", "leased", "100"), ">= 0.5"),
    Pair("10,000 groups", ("ours.py", "groups", "10000"), ("ours.py", "groups", "10"), ">= 0.5"),
    Pair("1,000 consumers wait", ("ours.py", "waiting", "1000"), ("ours.py", "waiting", "10"), ">= 0.5"),
    Pair("engine, ten times as long", ("ours.py", "engine", "callbacks", "1000000"), ENGINE, ">= 0.5"),
]
SIZES = (20_000, 100_000, 500_000, 1_000_000)
LARGE = 10_000_000
SCENARIO = "scenarios/backlog-growth.yaml"
STARTS = [
    ("`qsim --help`, to its end", ("--help",), False, 250),
    ("`qsim validate`, to its end", ("validate", SCENARIO), False, 350),
    ("`qsim run`, to its first output", ("run", SCENARIO), True, 400),
]


def measure(command: Sequence[str], messages: int) -> dict[str, float]:
    """One process; its line of JSON."""
    script, *arguments = (part.format(messages=messages) for part in command)
    done = subprocess.run(
        [sys.executable, HERE / script, *arguments],
        env=ENVIRONMENT,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{script} {' '.join(arguments)} failed:\n{done.stderr}")
    line: dict[str, float] = json.loads(done.stdout)
    return line


def compare(pair: Pair, rounds: int, messages: int) -> str:
    rates = [(measure(pair.ours, messages)["per_s"], measure(pair.theirs, messages)["per_s"]) for _ in range(rounds)]
    ratios = [ours / theirs for ours, theirs in rates]
    ours, theirs = (statistics.median(column) for column in zip(*rates, strict=True))
    return (
        f"| {pair.title} | {ours:,.0f} | {theirs:,.0f} | {min(ratios):.2f} | {statistics.median(ratios):.2f} "
        f"| {max(ratios):.2f} | {pair.budget} |"
    )


def pairs(wanted: argparse.Namespace) -> Iterator[str]:
    yield from _table(f"messages/s beside plain SimPy, {wanted.rounds} rounds", PAIRS, "plain SimPy", wanted)


def growth(wanted: argparse.Namespace) -> Iterator[str]:
    yield from _table(f"messages/s when there is much, {wanted.rounds} rounds", GROWTH, "with little", wanted)


def _table(title: str, rows: list[Pair], second: str, wanted: argparse.Namespace) -> Iterator[str]:
    yield f"### {title}\n"
    yield f"| | median | {second} | ratio: least | median | greatest | budget |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for pair in rows:
        yield compare(pair, wanted.rounds, wanted.messages)


def memory(wanted: argparse.Namespace) -> Iterator[str]:
    """Bytes a message: what the peak grows by from one size to the next, and what the journal holds of it."""
    yield "### memory of workload 3 with the full journal\n"
    yield "| messages | peak, MB | more bytes a message | journal | budget |"
    yield "|---:|---:|---:|---:|---|"
    before = None
    for size in (*SIZES, LARGE) if wanted.large else SIZES:
        line = measure(("ours.py", "engine", "callbacks", str(size)), size)
        more = "" if before is None else f"{(line['rss_mb'] - before[1]) * 2**20 / (size - before[0]):.0f}"
        before = (size, line["rss_mb"])
        yield f"| {size:,} | {line['rss_mb']:.0f} | {more} | {line['bytes_a_message']:.0f} | <= 200 |"


def start(wanted: argparse.Namespace) -> Iterator[str]:
    yield f"### start, ms, {wanted.rounds} rounds\n"
    yield "| | least | median | greatest | budget |"
    yield "|---|---:|---:|---:|---|"
    for title, arguments, is_first_output, budget in STARTS:
        times = [_wall(arguments, is_first_output) * 1000 for _ in range(wanted.rounds)]
        yield f"| {title} | {min(times):.0f} | {statistics.median(times):.0f} | {max(times):.0f} | < {budget} |"


def _wall(arguments: Sequence[str], is_first_output: bool) -> float:
    """Seconds from the start of the process to its first byte or its end."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "qsim", *arguments]
    with subprocess.Popen(
        command, env=ENVIRONMENT, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1 if is_first_output else -1)
        seconds = time.perf_counter() - began
        process.kill() if is_first_output else process.wait()
    return seconds


PARTS = {part.__name__: part for part in (pairs, growth, memory, start)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--large", action="store_true", help="memory of 10 million messages too")
    wanted = parser.parse_args()
    for name in wanted.parts or PARTS:
        for line in PARTS[name](wanted):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
