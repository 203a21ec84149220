"""Ten thousand broken files: each is answered with places, or is a scenario; none breaks us, or keeps us busy.

``python tests/scenario/test_mutations.py 10000`` tries that many and prints the slowest; the test tries a few hundred.
"""

import os
import random
import resource
import sys
from pathlib import Path

import pytest

from qsim.scenario.load import read
from qsim.scenario.problems import ScenarioError
from qsim.scenario.source import read_bytes

ROOT = Path(__file__).parents[2]
EXAMPLES = Path(__file__).parent / "examples"
BASES = [
    path.read_text(encoding="utf-8") for path in sorted([*ROOT.glob("scenarios/*.yaml"), *EXAMPLES.glob("*.yaml")])
]

LONGEST_S = 2.0
MOST_BYTES = 500 * 2**20

VALUES = [
    "null", "~", "true", "[]", "{}", "-1", "0", "1", "1e400", ".nan", "-.inf", "9" * 30, "99999999999999", "0.1", "1.5",
    "'x'", "10", "10s", "-3s", "1000000w", "5%", "500%", "1/s", "9e9/s", "1KiB", "[1, [2, [3]]]", "{a: {b: {c: 1}}}",
    "orders", "jobs", "base", "*a", "&a 1", "!!int x", "poison", "1..20", "9..1", "unlimited", "never", "auto",
    "{exponential: {mean: 1s}}", "{exponential: 1s}", "{mix: []}", "{mix: [{share: 1, time: {mix: []}}]}",
    "{empirical: {file: ../../etc/passwd, column: a, unit: s}}", "rabbitmq-classic", "sqs-fifo", "ideal",
    "orders.visible at end", "jobs.wait p95", "worker.count at 0", "a.b.c.d", '"\\u0000"', '"\\uD800"',
    "|\n  text\n  more",
]  # fmt: skip


def lines_of(text, chance):
    lines = text.split("\n")
    return lines, chance.randrange(len(lines))


def delete(text, chance):
    lines, at = lines_of(text, chance)
    return "\n".join(lines[:at] + lines[at + chance.randint(1, 4) :])


def duplicate(text, chance):
    lines, at = lines_of(text, chance)
    return "\n".join(lines[: at + 1] + lines[at:])


def move(text, chance):
    lines, at = lines_of(text, chance)
    line = lines.pop(at)
    lines.insert(chance.randrange(len(lines) + 1), line)
    return "\n".join(lines)


def indent(text, chance):
    lines, at = lines_of(text, chance)
    lines[at] = " " * chance.randint(1, 5) + lines[at]
    return "\n".join(lines)


def retype(text, chance):
    """Another value behind one of the colons."""
    colons = [i for i, c in enumerate(text) if c == ":"]
    if not colons:
        return text
    at = chance.choice(colons)
    ends = [text.find(c, at + 1) for c in ",}\n"]
    end = min((e for e in ends if e > 0), default=len(text))
    return text[: at + 1] + " " + chance.choice(VALUES) + text[end:]


def misspell(text, chance):
    if len(text) < 2:
        return text
    at = chance.randrange(len(text) - 1)
    if chance.random() < 0.7:
        words = [i for i in range(len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()]
        at = chance.choice(words) if words else at
        return text[:at] + chance.choice(["", text[at + 1] + text[at], "x"]) + text[at + chance.choice([1, 2]) :]
    return chance.choice([
        text[:at] + text[at + 1] + text[at] + text[at + 2 :],
        text[:at] + text[at + 1 :],
        text[:at] + chance.choice("abcxyz019:{}[],-#'\"&*!|>%@`\t\\ é☃\u2028\x07\x85") + text[at:],
    ])  # fmt: skip


def deepen(text, chance):
    depth = chance.choice([10, 49, 51, 500, 5000])
    opening, closing = chance.choice([("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("&a [", "]")])
    return retype(text, chance) + "\nx: " + opening * depth + "1" + closing * depth


def deepen_block(text, chance):
    return text + "\n" + "\n".join(" " * i + "a:" for i in range(chance.choice([40, 60, 300])))


def anchors(text, chance):
    many = chance.choice([10, 1000, 5000])
    return text + "\ntags:\n" + "\n".join(f"- &a{i} x" for i in range(many)) + "\n- " + "*a1 " * chance.randint(0, 2)


def bomb(text, chance):
    levels = chance.randint(3, 30)
    lines = [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9) if i else '1, 2'}]" for i in range(levels)]
    return text + "\n" + "\n".join(lines)


def enlarge(text, chance):
    size = chance.choice([1000, 100_000, 127_000, 140_000])
    return text + "\ndescription: " + chance.choice(["x", "x ", "[", "é", "0", "'"]) * size


def crowd(text, chance):
    """Thousands of variants, values, names."""
    many = chance.choice([50, 500, 3000])
    kind = chance.choice(["variants", "sweep", "expect", "alerts", "timeline"])
    lines = {
        "variants": [f"  v{i}: {{run.duration: {i}s}}" for i in range(many)],
        "sweep": ["  seed: [" + ", ".join(map(str, range(many))) + "]", "  run.duration: 1..999999999"],
        "expect": ["  - {no_message_lost: true}"] * many,
        "alerts": [f"  a{i}: {{when: a{i}.fired, above: 1}}" for i in range(many)],
        "timeline": [f"  t{i}: {{at: {i}s, set: {{consumers.worker.count: {i}}}}}" for i in range(many)],
    }[kind]
    return text + f"\n{kind}:\n" + "\n".join(lines)


def garble(text, chance):
    raw = bytearray(text.encode("utf-8", "replace"))
    for _ in range(chance.randint(1, 5)):
        raw.insert(chance.randrange(len(raw) + 1), chance.randrange(256))
    return bytes(raw)


def cut(text, chance):
    return text[: chance.randrange(len(text) + 1)]


SMALL = [delete, duplicate, move, indent, *[retype] * 6, *[misspell] * 3]
LARGE = [deepen, deepen_block, anchors, bomb, enlarge, crowd, cut]


def mutant(number):
    chance = random.Random(f"qsim {number}")
    text = chance.choice(BASES)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        text = chance.choice(SMALL)(text, chance)
    if chance.random() < 0.25:
        text = chance.choice(LARGE)(text, chance)
    return garble(text, chance) if chance.random() < 0.05 else text.encode("utf-8", "replace")


def answer(raw):
    """None for a scenario, or the first problem; anything else that is raised is our fault."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        with pytest.raises(ScenarioError) as caught:
            read_bytes(raw, "mutant.yaml")
        return caught.value.problems[0]
    try:
        assert read(text=text, file_name="mutant.yaml").plan.duration > 0
        return None
    except ScenarioError as error:
        assert any(problem.is_error for problem in error.problems)
        for problem in error.problems:
            assert problem.place.line >= 1 <= problem.place.column
            assert problem.place.line <= max(1, len(problem.place.source.lines))
        assert str(error)
        return error.problems[0]


def try_one(number):
    raw = mutant(number)
    begin = os.times().user  # our own time: a busy machine is not the file's fault
    problem = answer(raw)
    took = os.times().user - begin
    assert took < LONGEST_S, f"mutant {number} took {took:.1f} s: {problem}"
    return took, problem


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("hundred", range(3))
def test_a_mutant_is_refused_with_a_place_or_is_a_scenario(hundred):
    answers = [try_one(number)[1] for number in range(100 * hundred, 100 * hundred + 100)]
    assert any(problem is None for problem in answers)
    assert any(problem is not None for problem in answers)


def main(many):
    times, good, codes = [], 0, {}
    for number in range(many):
        took, problem = try_one(number)
        times.append((took, number))
        good += problem is None
        if problem:
            codes[problem.code] = codes.get(problem.code, 0) + 1
    assert memory() < MOST_BYTES, f"{memory() / 2**20:.0f} MiB"
    slowest, which = max(times)
    print(f"{many} mutants, {good} are scenarios; slowest {slowest:.2f} s (mutant {which}); {memory() / 2**20:.0f} MiB")
    print(", ".join(f"{code} {count}" for code, count in sorted(codes.items())))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
