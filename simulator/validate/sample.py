"""A random sample of bounded size from views that come in parts, whatever the parts."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64

from simulator.validate.views import Views


@final
@dataclass(frozen=True)
class Sample:
    """Every view seen so far had the same chance to be here (Efraimidis and Spirakis 2006, equal weights).

    Attributes:
        views: Those with the smallest keys.
        key: A uniform number per view.
    """

    views: Views
    key: Float64[np.ndarray, " rows"]

    @staticmethod
    def of(views: Views, size: int, rng: np.random.Generator) -> "Sample":
        """At most `size` of the views."""
        return Sample(views, rng.random(len(views))).smallest(size)

    def merge(self, other: "Sample", size: int) -> "Sample":
        """A sample of all views behind both."""
        both = Sample(Views.concatenate([self.views, other.views]), np.concatenate([self.key, other.key]))
        return both.smallest(size)

    def smallest(self, size: int) -> "Sample":
        """The `size` views with the smallest keys, in the order in which they came."""
        if len(self.key) <= size:
            return self
        kept = np.sort(np.argpartition(self.key, size)[:size])
        return Sample(self.views.take(kept), self.key[kept])
