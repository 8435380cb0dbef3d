"""Plot of true suffixes: both halves on one scale, told apart without colour, and said in words."""

import math
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report import collect
from pipeline.report_page import TextHalf, render
from pipeline.report_texts import TEXT_READS, collect_texts
from pipeline.report_texts_plots import LABEL_GAP, PANEL_HEIGHT, PANEL_WIDTH, draw_suffixes
from pipeline.report_texts_suffixes import (
    ATTEMPTS,
    CURVES,
    HALVES,
    LEVELS,
    Suffix,
    Suffixes,
    at_least,
    count_suffixes,
)
from tests.pipeline.test_report import FACTS, Page, Shelf
from tests.pipeline.test_report_texts import empty_shelves, suffix_rows

KNOWN = (
    *((f"t{n}", "train", math.log(0.5)) for n in range(3)),
    ("t3", "train", -1000.0),
    ("c0", "control", math.log(0.01)),
    ("c1", "control", None),
)


def counted(*said: tuple[str, str, float | None]) -> Suffixes:
    (one,) = count_suffixes(suffix_rows(*said))
    return one


def page_of(*said: tuple[str, str, float | None]) -> str:
    shelves = {role: Shelf(table.empty()) for role, (table, _) in TEXT_READS.items()}
    summary = replace(collect_texts(shelves, 1), suffixes=(counted(*said),))
    html = render(collect(empty_shelves(), FACTS), {}, TextHalf(summary, shelves))
    (section,) = re.findall(r'<section id="suffixes">.*?</section>', html, re.DOTALL)
    return str(section)


def test_shares_of_both_halves_by_hand() -> None:
    curves = {curve.attempts: curve.counts for curve in counted(*KNOWN).curves}
    assert tuple(curves) == CURVES
    half, sure = LEVELS.index(0.5), LEVELS.index(0.995)
    # 0.5 is reached at once; 1 - 0.99^100 = 0.63 and 1 - 0.99^10 = 0.10
    assert [curves[n]["train"][half] for n in CURVES] == [3, 3, 3, 3]
    assert [curves[n]["train"][sure] for n in CURVES] == [0, 3, 3, 3]
    assert [curves[n]["control"][half] for n in CURVES] == [0, 0, 1, 1]
    assert curves[100]["control"][LEVELS.index(0.635)] == 0
    assert curves[10]["control"][LEVELS.index(0.095)] == 1
    assert curves[10]["control"][LEVELS.index(0.1)] == 0


def test_what_is_certain_and_what_is_never_written() -> None:
    sure, never = Suffix("a", "train", 9, 0.0), Suffix("b", "train", 9, None)
    for attempts in CURVES:
        assert set(at_least([sure, never, sure], attempts)) == {2}
    # a sum of logarithms may come out a hair above 0
    assert set(at_least([Suffix("a", "train", 9, 1e-7)], 1)) == {1}
    assert set(at_least([], 1)) == {0}


@given(st.lists(st.none() | st.floats(-60, 0), max_size=20))
def test_more_attempts_reach_more_and_surer_reaches_less(logprobs: list[float | None]) -> None:
    suffixes = [Suffix(str(n), "train", 9, logprob) for n, logprob in enumerate(logprobs)]
    found = [at_least(suffixes, attempts) for attempts in CURVES]
    for few, many in pairwise(found):
        assert all(a <= b for a, b in zip(few, many, strict=True))
    for counts in found:
        assert len(counts) == len(LEVELS)
        assert all(a >= b for a, b in pairwise(counts))
        assert 0 <= counts[-1] <= counts[0] <= len(suffixes)


def test_curve_and_table_say_the_same() -> None:
    one = counted(*KNOWN)
    lines = {line.attempts: line for line in one.lines}
    assert set(CURVES) <= set(ATTEMPTS)
    for curve in one.curves:
        for half in HALVES:
            assert curve.counts[half][LEVELS.index(0.5)] == lines[curve.attempts].half_chance[half]
            assert curve.counts[half][LEVELS.index(0.95)] == lines[curve.attempts].sure[half]


def test_both_halves_have_one_scale() -> None:
    drawn = draw_suffixes(counted(*KNOWN))
    train, control = drawn.panels
    assert drawn.y_ticks[0] == (PANEL_HEIGHT, "0 %")
    assert drawn.y_ticks[-1] == (0, "100 %")
    # three of four, and one of two after a thousand attempts
    assert train.lines[3].end_y == pytest.approx(PANEL_HEIGHT / 4)
    assert control.lines[3].end_y == pytest.approx(PANEL_HEIGHT / 2)
    assert train.lines[0].path.startswith(f"M0 {PANEL_HEIGHT / 4:.1f}")
    assert train.lines[0].path.endswith(f"L{PANEL_WIDTH} {PANEL_HEIGHT:.1f}")
    for panel in drawn.panels:
        places = [line.label_y for line in panel.lines]
        assert all(few - many >= LABEL_GAP for few, many in pairwise(places))
        assert 0 <= min(places) <= max(places) <= PANEL_HEIGHT + 1e-9


@pytest.mark.parametrize(("share", "top"), [(1, "1 %"), (3, "5 %"), (12, "20 %"), (60, "100 %")])
def test_a_scale_ends_at_a_round_share(share: int, top: str) -> None:
    said = [(f"t{n}", "train", 0.0 if n < share else None) for n in range(100)]
    drawn = draw_suffixes(counted(*said))
    assert drawn.y_ticks[-1][1] == top
    assert drawn.panels[1].lines == ()


def test_a_share_of_nothing_is_drawn_on_the_zero_line() -> None:
    drawn = draw_suffixes(counted(("t", "train", None), ("c", "control", -500.0)))
    for panel in drawn.panels:
        assert {line.end_y for line in panel.lines} == {PANEL_HEIGHT}


def test_curves_are_told_apart_without_colour_and_said_in_words() -> None:
    section = page_of(*KNOWN)
    picture = r'<svg .*?role="img" aria-label="([^"]*)".*?>(.*?)</svg>'
    (train, train_lines), (control, _) = re.findall(picture, section, re.DOTALL)
    said = "With p of 0.5 or more: 75 % within 1, 75 % within 10, 75 % within 100"
    assert train.startswith("4 passages of training works")
    assert said in train
    said = "With p of 0.5 or more: 0 % within 1, 0 % within 10, 50 % within 100"
    assert control.startswith("2 passages of control works")
    assert said in control
    assert re.findall(r'class="line (n\d) train"', train_lines) == ["n1", "n2", "n3", "n4"]
    labels = re.findall(r'class="label"[^>]*>(.*?)</text>', train_lines)
    assert labels == ["1", "10", "100", "n = 1\N{NO-BREAK SPACE}000"]
    page = Page(section)
    assert page.row("100")[1:3] == ["3 (75 %)", "1 (50 %)"]


def test_every_curve_has_dashes_of_its_own() -> None:
    shelves = {role: Shelf(table.empty()) for role, (table, _) in TEXT_READS.items()}
    html = render(collect(empty_shelves(), FACTS), {}, TextHalf(collect_texts(shelves, 1), shelves))
    dashes = re.findall(r"\.suffixes \.n\d \{ stroke-dasharray: ([^;]+);", html)
    # the last is drawn without a gap
    assert len(set(dashes)) == len(dashes) == len(CURVES) - 1


def test_a_half_without_passages_says_so() -> None:
    section = page_of(("t", "train", -3.0))
    assert "1 passage of training works" in section
    assert "0 passages of control works" in section
    assert "none was asked for" in section
