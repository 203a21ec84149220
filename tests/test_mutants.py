"""The table of broken rules fits the code, so that ``python tests/mutants.py`` can break each."""

from tests.mutants import MUTANTS, ROOT


def test_what_a_broken_rule_replaces_stands_there_once():
    stale = [m.name for m in MUTANTS if (ROOT / "qsim" / m.file).read_text(encoding="utf-8").count(m.old) != 1]
    assert stale == []
