"""Filters and rules of subscriptions (ASB-24): what passes, what is unknown, and what is wrong with a text."""

import pytest

from qsim.kernel.filters import Action, Correlation, Everything, FilterError, Rule, Sql, copies, parse
from qsim.kernel.routing import Subscription
from qsim.kernel.routing import copies as copies_of_a_publish

RED = {"color": "red", "size": "3", "urgent": "true", "sys.Label": "order"}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("color = 'red'", True),
        ("color = 'RED'", False),
        ("color <> 'blue'", True),
        ("color != 'red'", False),
        ("'red' = color", True),
        ("size = 3", True),
        ("size = 3.0", True),
        ("size = '3'", True),
        ("size = '3.0'", False),
        ("urgent = TRUE", True),
        ("urgent = false", False),
        ("color IN ('blue', 'red')", True),
        ("color NOT IN ('blue', 'red')", False),
        ("size in (1, 2, 3)", True),
        ("user.color = 'red'", True),
        ("[color] = 'red'", True),
        ("sys.Label = 'order'", True),
        ("color IS NULL", False),
        ("color IS NOT NULL", True),
        ("missing IS NULL", True),
        ("color = 'red' AND size = 4 OR urgent = TRUE", True),
        ("color = 'red' AND (size = 4 OR urgent = FALSE)", False),
        ("NOT color = 'blue' AND size = 3", True),
        ("NOT (color = 'red' AND size = 3)", False),
        ("not not color = 'red'", True),
    ],
)
def test_a_filter_says_who_passes(text, passes):
    assert Sql(text).matches(RED) is passes


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("missing = 'x'", None),
        ("NOT missing = 'x'", None),
        ("missing <> 'x'", None),
        ("missing = other", None),
        ("missing IN ('x', 'y')", None),
        ("missing NOT IN ('x', 'y')", None),
        ("color IN ('blue', missing)", None),
        ("color IN ('red', missing)", True),
        ("color NOT IN ('red', missing)", False),
        ("missing = 'x' AND color = 'red'", None),
        ("missing = 'x' AND color = 'blue'", False),
        ("missing = 'x' OR color = 'red'", True),
        ("missing = 'x' OR color = 'blue'", None),
        ("NOT (missing = 'x' OR color = 'red')", False),
        ("(missing = 'x') IS NULL", "error"),
    ],
)
def test_what_is_said_of_a_missing_property_is_unknown(text, truth):
    if truth == "error":
        with pytest.raises(FilterError):
            parse(text)
        return
    assert parse(text)(RED) is truth
    assert Sql(text).matches(RED) is (truth is True)  # only what is true passes


def test_a_quote_in_a_text_is_written_twice():
    assert Sql("name = 'O''Hara'").matches({"name": "O'Hara"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a property or a value is missing, at column 1 of: "),
        ("color", "a comparison is missing; a filter is: property = value"),
        ("color = ", "a property or a value is missing, at column 9"),
        ("color = 'red", "a text that does not end, at column 9"),
        ("color == 'red'", "a property or a value is missing before '=', at column 8"),
        ("(color = 'red'", ") is missing, at column 15"),
        ("color = 'red')", "AND or OR is missing before ')', at column 14"),
        ("color = 'red' size = 3", "AND or OR is missing before 'size', at column 15"),
        ("color IN 'red'", "( is missing before \"'red'\", at column 10"),
        ("color IS 'red'", "NULL is missing"),
        ("color NOT 'red'", "IN is missing after NOT"),
        ("color LIKE 'r%'", "LIKE is not supported"),
        ("size > 3", "> is not supported"),
        ("color & 'red'", "'&' has no meaning in a filter, at column 7"),
        ("sys.Lable = 'x'", "there is no system property 'Lable'; did you mean sys.Label?"),
    ],
)
def test_what_is_no_filter_is_said_with_its_place(text, says):
    with pytest.raises(FilterError) as caught:
        Sql(text)
    assert says in str(caught.value)


def test_a_correlation_filter_wants_all_of_its_values():
    chosen = Correlation((("color", "red"), ("size", "3")))
    assert chosen.matches(RED)
    assert not chosen.matches({"color": "red"})
    assert Correlation(()).matches({})


def test_an_action_sets_and_removes():
    changed = Action("SET audit = 'yes'; SET size = 4; REMOVE color").apply(RED)
    assert changed == {"size": "4", "urgent": "true", "sys.Label": "order", "audit": "yes"}
    assert RED["size"] == "3"


@pytest.mark.parametrize("text", ["audit = 'yes'", "SET = 'yes'", "SET audit", "SET audit = 'x' audit", "REMOVE"])
def test_what_is_no_action_is_said(text):
    with pytest.raises(FilterError):
        Action(text)


def test_rules_without_an_action_make_one_copy_together():
    rules = [Rule(Sql("color = 'red'")), Rule(Correlation((("size", "3"),))), Rule(Sql("color = 'blue'"))]
    assert copies(rules, RED) == [RED]
    assert copies(rules, {"color": "green"}) == []


def test_each_rule_with_an_action_adds_its_own():
    rules = [Rule(Everything()), Rule(Sql("size = 3"), Action("SET level = 1")), Rule(Everything(), Action("REMOVE size"))]
    got = copies(rules, {"size": "3"})
    assert got == [{"size": "3"}, {"size": "3", "level": "1"}, {}]
    assert len(copies(rules[1:], {"size": "4"})) == 1


def test_a_publish_knows_the_attributes_of_each_copy():
    one = Subscription("one", rules=(Rule(Sql("kind = 'a'"), Action("SET audit = 'yes'")),))
    all_of_it = Subscription("all")
    assert copies_of_a_publish([one, all_of_it], {"kind": "a"}) == [
        ("one", {"kind": "a", "audit": "yes"}),
        ("all", {"kind": "a"}),
    ]
    assert copies_of_a_publish([one, all_of_it], None) == [("all", None)]
