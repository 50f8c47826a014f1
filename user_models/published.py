"""Published aggregates of KuaiRand that a world is set to where its rows are silent; each with its source.

Sources: [A] business analysis of KuaiRand-Pure, 22 April to 8 May 2022; [S] paired users of KuaiRand-Pure (18,368
users with exposures on both sides); [L] public tables of KuaiRand-27K, whole; [G] the 1K log, cut into sessions. All
derive from KuaiRand (Gao et al., CIKM 2022, https://kuairand.com), CC BY-SA 4.0.
"""

from typing import Final

import numpy as np

REGIMES: Final[dict[str, dict[str, float]]] = {
    "random": {
        "click": 0.1762,
        "long_view": 0.0850,
        "complete": 0.0332,
        "like": 0.0047,
        "follow": 0.00021,
        "comment": 0.00035,
        "forward": 0.00028,
        "hate": 0.001139,
        "profile_enter": 0.0055,
        "watch_s": 6.47,
    },
    "base": {
        "click": 0.4512,
        "long_view": 0.3183,
        "complete": 0.1432,
        "like": 0.0186,
        "follow": 0.00139,
        "comment": 0.00256,
        "forward": 0.00087,
        "hate": 0.000785,
        "profile_enter": 0.0207,
        "watch_s": 23.58,
    },
}
"""Figures per view of random exposures and of the production ranker's. Click to complete and hate [A]; the rest [S]."""

SESSIONS_PER_DAY: Final = 150.2 / 31
"""30-minute gaps; mean over all users and days [L]."""
SESSIONS_QUARTILE: Final = (149.0, 241.0)
"""Median and 90% quantile over users of sessions in 31 days [L]."""
VIEWS_PER_DAY: Final = 11_812 / 31
"""Mean over all users and days [L]."""
VIEWS_QUANTILES: Final = (8_594.0, 24_587.0)
"""Median and 90% quantile over users of exposures in 31 days [L]."""
RETURN_GAP: Final = (0.9572, 0.0237, 0.0075, 0.0035, 0.0041, 0.0017, 0.0007)
"""Share of returns after 1, 2, ... days [G]."""
HOURLY_EXPOSURES: Final = np.array(
    [
        10_624_659, 6_462_822, 4_132_020, 2_911_135, 2_617_287, 3_692_549, 6_873_534, 9_968_651,
        11_545_430, 12_947_165, 14_427_110, 15_441_567, 17_029_465, 17_132_315, 15_454_700, 15_767_584,
        16_594_065, 17_525_682, 18_844_519, 19_871_032, 21_315_043, 22_117_433, 21_859_219, 17_123_399,
    ]
)  # fmt: skip
"""Exposures by hour of day [L]."""
HATE_SHARE_OF_TOP_TENTH: Final = 0.69
"""Share of hates given by the tenth of haters who hate most (27K like and hate rows)."""
CLICK_RATE_SPREAD: Final = 0.185
"""Standard deviation over users of the standard click rate [L]."""
DURATION_EDGES: Final = (15.0, 30.0, 60.0, 120.0)
"""Seconds that part the classes of duration below [A]."""
RANDOM_BY_DURATION: Final[dict[str, tuple[float, ...]]] = {
    "click": (0.177, 0.182, 0.186, 0.190, 0.167),
    "long_view": (0.113, 0.080, 0.092, 0.092, 0.075),
    "complete": (0.104, 0.062, 0.038, 0.021, 0.007),
}
"""Rates of random exposures by class of duration [A]."""
STANDARD_BY_DURATION: Final[dict[str, tuple[float, ...]]] = {
    "click": (0.407, 0.456, 0.485, 0.487, 0.436),
    "long_view": (0.304, 0.312, 0.353, 0.356, 0.296),
    "complete": (0.287, 0.248, 0.174, 0.113, 0.047),
}
"""Rates of the standard log by class of duration [A]."""
ACTIVITY_DEGREES: Final = ("full_active", "high_active", "middle_active", "low_active", "2_14_day_new")
"""Public activity degrees (`user_active_degree`) of the rates below."""
RANDOM_BY_ACTIVITY: Final[dict[str, tuple[float, ...]]] = {
    "click": (0.169, 0.190, 0.198, 0.235, 0.184),
    "long_view": (0.081, 0.094, 0.092, 0.119, 0.088),
}
"""Rates of random exposures by activity degree [A]."""
STANDARD_BY_ACTIVITY: Final[dict[str, tuple[float, ...]]] = {
    "click": (0.423, 0.495, 0.531, 0.573, 0.478),
    "long_view": (0.296, 0.355, 0.381, 0.412, 0.332),
}
"""Rates of the standard log by activity degree [A]."""
RANDOM_CLICK_BY_HOUR: Final = (
    0.1619, 0.1652, 0.1602, 0.1701, 0.1742, 0.1772, 0.1845, 0.1959, 0.1857, 0.1766, 0.1746, 0.1760,
    0.1944, 0.1865, 0.1787, 0.1727, 0.1702, 0.1763, 0.1791, 0.1808, 0.1717, 0.1705, 0.1664, 0.1693,
)  # fmt: skip
"""Click rate of random exposures by hour of day [L]."""
STANDARD_CLICK_BY_HOUR: Final = (
    0.3769, 0.3806, 0.3820, 0.3889, 0.3893, 0.3905, 0.3982, 0.4076, 0.4024, 0.3894, 0.3782, 0.3804,
    0.3916, 0.3925, 0.3813, 0.3763, 0.3696, 0.3715, 0.3748, 0.3680, 0.3641, 0.3672, 0.3703, 0.3729,
)  # fmt: skip
"""Click rate of the standard log by hour of day [L]; all pages and all videos, so its level is below that of Pure."""
RANDOM_CLICK_RATE_SPREAD: Final = 0.125
"""Standard deviation over users of the chance to click a random video: 0.132 over users with at least 50 random
exposures [L], less the binomial noise of some 75 exposures. It asks for more spread than `CLICK_RATE_SPREAD` does."""
WEEKDAY_EXPOSURES: Final = np.array([9_449_444, 9_365_637, 9_443_944, 9_531_782, 9_800_641, 11_064_996, 10_492_272])
"""Mean exposures on Mondays to Sundays, 8 to 28 April, before the public holiday [L]."""
NEGATIVE_ANSWERS: Final = 0.288
"""Share of dissatisfied answers among all (SAQRec, Kuaishou)."""
