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
RANDOM_CLICK_RATE_SPREAD: Final = 0.125
"""Standard deviation over users of the chance to click a random video: 0.132 over users with at least 50 random
exposures [L], less the binomial noise of some 75 exposures. It asks for more spread than `CLICK_RATE_SPREAD` does."""
