"""The page of a leaderboard: every ranker, its estimates and its truths, and nothing that a name could smuggle in."""

import pytest

from dashboards.figures.leaderboard import effects
from dashboards.html_pages.leaderboard import render_leaderboard
from simulator.reports.leaderboard import Effect, Entry, Leaderboard

ODD = "<script>alert(1)</script>"


def board(*names) -> Leaderboard:
    found = {"AUT": Effect(lift=0.031, ci_low=0.01, ci_high=0.05, true_lift=0.042)}
    entries = [
        Entry(policy=n, offline={"hr@10": 0.25, "ndcg@10": 0.125, "mrr": None}, effects=found, folder="tests/a")
        for n in names
    ]
    return Leaderboard(data="made up", users=500, days=7, entries=entries)


def test_the_page_shows_every_ranker_and_escapes_names():
    page = render_leaderboard(board("inf", ODD))
    assert ODD not in page
    for text in ("inf", "+3.10%", "+4.20%", "0.125", "missing", "./tests/a/report.html"):
        assert text in page


def test_points_are_estimates_with_intervals_and_stars_are_true():
    points, stars = effects(board("inf")).data
    assert list(points.x) == [0.031]
    assert list(points.error_x.array) == pytest.approx([0.019])
    assert list(points.error_x.arrayminus) == pytest.approx([0.021])
    assert list(stars.x) == [0.042]


def test_an_empty_leaderboard_gives_a_remark():
    assert "No ranker" in effects(board()).layout.annotations[0].text
