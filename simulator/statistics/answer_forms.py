"""The satisfied share where a random part of the questionnaires has a strong form, which more people answer.

Every estimator is a function of six sums per arm, and each rests on something that no log shows:

* `naive`: the answers are like what the silent would say.
* `strong`: so are the answers to the strong form.
* `line`: those who stay silent under the strong form are like those whom it moved to answer. The share of the asked who
  answer `satisfied` is then a straight line in the answer rate, and its value at rate 1 is the share sought. The same
  holds where the chance of silence is a factor of the view times one of the form (Zhang, Park et al.,
  https://arxiv.org/abs/2509.22499).
* `probit`: answering and saying are normal, and the form shifts answering by the same for all
  (`simulator.statistics.selection_probit`).
* Manski's bounds assume nothing but that the form does not change what is said: all the silent may be satisfied, or
  none. Both forms bound the same share, so the higher lower end and the lower upper end hold (Manski, American Economic
  Review 80, 1990).

That forms drawn at random are how such selection is found: Dutz, Huitfeldt, Lacouture, Mogstad, Torgovitsky and
van Dijk, Selection in Surveys, Statistics Norway DP 971 (2021).

Standard errors are a delete-a-group jackknife over groups of users (Kott, J. Official Statistics 17, 2001).

Axes: `*b` any batch; `groups` of users; `6` sums: asked, answered and answered `satisfied`, of all questionnaires, then
of those in the strong form.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final, get_args

import numpy as np
from jaxtyping import Float64
from scipy.stats import t as student

from simulator.statistics.selection_probit import TwoForms, fit_probit

FormEstimator: TypeAlias = Literal["naive", "strong", "line", "probit"]
FORM_ESTIMATORS: Final[tuple[FormEstimator, ...]] = get_args(FormEstimator)
N_SUMS: Final = 6
Sums: TypeAlias = Float64[np.ndarray, "*b 6"]
_WORDS: Final[dict[str, str]] = {
    "strong": "nobody answered the strong form",
    "line": "the forms are answered equally often",
    "probit": "no correlation of answering and saying explains the answers to both forms",
}


@final
@dataclass(frozen=True)
class GroupEstimate:
    """An estimate with its error over users.

    Attributes:
        value: NaN where there is none.
        standard_error: NaN where some group of users cannot be left out.
        freedom: Degrees of freedom of the error.
    """

    value: float
    standard_error: float
    freedom: float

    def __sub__(self, other: "GroupEstimate") -> "GroupEstimate":
        """The difference from an estimate of other users, with Welch's degrees of freedom."""
        own, others = self.standard_error**2, other.standard_error**2
        total = own + others
        parts = own**2 / self.freedom + others**2 / other.freedom if min(self.freedom, other.freedom) > 0 else 0.0
        freedom = total**2 / parts if parts else self.freedom + other.freedom
        return GroupEstimate(self.value - other.value, float(np.sqrt(total)), float(freedom))

    @property
    def reach(self) -> float:
        """Half the width of a 95% interval."""
        return float(student.ppf(0.975, self.freedom) * self.standard_error) if self.freedom > 0 else float("nan")

    @property
    def p_value(self) -> float:
        """Two-sided, of the value being 0."""
        if not self.freedom > 0 or not self.standard_error > 0:
            return float("nan")
        return float(2 * student.sf(abs(self.value) / self.standard_error, self.freedom))


def satisfied_share(sums: Sums, estimator: FormEstimator) -> Float64[np.ndarray, "*b"]:
    """The share that would say `satisfied` if all asked answered; NaN where it cannot be told."""
    if estimator == "naive":
        return _ratio(sums[..., 2], sums[..., 1])
    if estimator == "strong":
        return _ratio(sums[..., 5], sums[..., 4])
    forms = two_forms(sums)
    return fit_probit(forms).share if estimator == "probit" else _at_rate_one(forms)


def bounds(sums: Sums) -> tuple[Float64[np.ndarray, "*b"], Float64[np.ndarray, "*b"]]:
    """Manski's bounds of that share, from both forms together; from the one there is where nothing has the strong."""
    forms = two_forms(sums)
    lower = np.asarray(np.fmax(*forms.satisfied))
    (said, strong_said), (rate, strong_rate) = forms.satisfied, forms.answered
    upper = np.asarray(np.fmin(said + 1 - rate, strong_said + 1 - strong_rate))
    return lower, upper


def two_forms(sums: Sums) -> TwoForms:
    """Shares of the asked by form; NaN where nobody was asked so."""
    strong = sums[..., 3:]
    plain = sums[..., :3] - strong
    answered, satisfied = (
        (_ratio(plain[..., of], plain[..., 0]), _ratio(strong[..., of], strong[..., 0])) for of in (1, 2)
    )
    return TwoForms(answered, satisfied)


def group_jackknife(
    groups: Float64[np.ndarray, "groups sums"], estimate: Callable[[np.ndarray], Float64[np.ndarray, "*b"]]
) -> GroupEstimate:
    """Estimate from all users, with the delete-a-group error: se^2 = (G - 1) / G sum (T_(-g) - mean)^2.

    G counts the groups in which anybody was asked; a group that holds nobody is no group. The first sum is the asked.
    """
    asked = groups[groups[:, 0] > 0]
    total, n = asked.sum(axis=0), len(asked)
    value = float(estimate(total))
    if n < 2:
        return GroupEstimate(value, float("nan"), 0.0)
    without = estimate(total - asked)
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    return GroupEstimate(value, float(error), float(n - 1))


def why_none(sums: Float64[np.ndarray, " 6"], estimator: FormEstimator) -> str:
    """Why an estimator says nothing of some sums."""
    if not sums[1]:
        return "nobody answered"
    if estimator == "naive":
        return ""
    if not sums[3]:
        return "no questionnaire had the strong form: set questionnaire.strong_share in world_values"
    if estimator != "strong" and sums[3] == sums[0]:
        return "every questionnaire had the strong form; want both"
    rates = two_forms(sums).answered
    if estimator == "probit" and min(rates) == max(rates):
        return _WORDS["line"]
    return _WORDS[estimator]


def _at_rate_one(forms: TwoForms) -> Float64[np.ndarray, "*b"]:
    """The line through the share of the asked who answer `satisfied`, over the answer rate, at rate 1."""
    (plain, strong), (said_plain, said_strong) = forms.answered, forms.satisfied
    moved = _ratio(np.asarray(said_strong - said_plain), np.asarray(strong - plain))
    return np.asarray(said_strong + (1 - strong) * moved)


def _ratio(above: np.ndarray | float, below: np.ndarray | float) -> Float64[np.ndarray, "*b"]:
    """One over the other; NaN where that is 0."""
    whole = np.asarray(below, np.float64)
    return np.divide(np.asarray(above), whole, out=np.full(whole.shape, np.nan), where=whole != 0)
