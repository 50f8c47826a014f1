"""The satisfied share if a random part of the questionnaires has a strong form, which more users answer.

Every estimator is a function of six sums per arm. Each rests on an assumption that no log can test:

* `naive`: users who do not answer would give the same answers as those who do.
* `strong`: the same, of the strong form.
* `line`: users who do not answer the strong form are like those who answer because of it. The share of the asked who
  answer `satisfied` is then linear in the answer rate, and its value at rate 1 is the satisfied share. The same holds
  if the probability of no answer is a factor of the view times a factor of the form (Zhang, Park et al.,
  https://arxiv.org/abs/2509.22499).
* `probit`: answering and satisfaction are bivariate normal, and the form shifts answering by the same for all
  (`simulator.statistics.selection_probit`).
* Manski's bounds assume only that the form does not change the answers: all users without an answer may be satisfied,
  or none. Both forms bound the same share, so the higher lower bound and the lower upper bound hold (Manski, American
  Economic Review 80, 1990).

On random forms as a way to identify selection: Dutz, Huitfeldt, Lacouture, Mogstad, Torgovitsky and van Dijk,
Selection in Surveys, Statistics Norway DP 971 (2021).

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
        value: The estimate; NaN if there is none.
        standard_error: Its standard error; NaN if a group of users cannot be left out.
        freedom: Degrees of freedom of the error.
    """

    value: float
    standard_error: float
    freedom: float

    def __sub__(self, other: "GroupEstimate") -> "GroupEstimate":
        """Subtract an estimate of other users, with Welch's degrees of freedom."""
        square, other_square = self.standard_error**2, other.standard_error**2
        total = square + other_square
        denominator = (
            square**2 / self.freedom + other_square**2 / other.freedom if min(self.freedom, other.freedom) > 0 else 0.0
        )
        freedom = total**2 / denominator if denominator else self.freedom + other.freedom
        return GroupEstimate(self.value - other.value, float(np.sqrt(total)), float(freedom))

    @property
    def reach(self) -> float:
        """Half the width of a 95% interval."""
        return float(student.ppf(0.975, self.freedom) * self.standard_error) if self.freedom > 0 else float("nan")

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the value being 0."""
        if not self.freedom > 0 or not self.standard_error > 0:
            return float("nan")
        return float(2 * student.sf(abs(self.value) / self.standard_error, self.freedom))


def satisfied_share(sums: Sums, estimator: FormEstimator) -> Float64[np.ndarray, "*b"]:
    """Estimate the share that would answer `satisfied` if all asked answered; NaN where it has no value."""
    if estimator == "naive":
        return _ratio(sums[..., 2], sums[..., 1])
    if estimator == "strong":
        return _ratio(sums[..., 5], sums[..., 4])
    forms = two_forms(sums)
    return fit_probit(forms).share if estimator == "probit" else _at_rate_one(forms)


def bounds(sums: Sums) -> tuple[Float64[np.ndarray, "*b"], Float64[np.ndarray, "*b"]]:
    """Manski's bounds of the satisfied share from both forms; from one form if only one was asked."""
    forms = two_forms(sums)
    lower = np.asarray(np.fmax(*forms.satisfied))
    (satisfied, strong_satisfied), (rate, strong_rate) = forms.satisfied, forms.answered
    upper = np.asarray(np.fmin(satisfied + 1 - rate, strong_satisfied + 1 - strong_rate))
    return lower, upper


def two_forms(sums: Sums) -> TwoForms:
    """Shares of the asked by form; NaN for a form that was not asked."""
    strong_form = sums[..., 3:]
    plain_form = sums[..., :3] - strong_form
    answered, satisfied = (
        (_ratio(plain_form[..., index], plain_form[..., 0]), _ratio(strong_form[..., index], strong_form[..., 0]))
        for index in (1, 2)
    )
    return TwoForms(answered, satisfied)


def group_jackknife(
    groups: Float64[np.ndarray, "groups sums"], estimate: Callable[[np.ndarray], Float64[np.ndarray, "*b"]]
) -> GroupEstimate:
    """Estimate from all users, with the delete-a-group error: se^2 = (G - 1) / G sum (T_(-g) - mean)^2.

    G is the number of groups with asked users; other groups do not count. The first sum has to be the asked.
    """
    groups_asked = groups[groups[:, 0] > 0]
    total, n = groups_asked.sum(axis=0), len(groups_asked)
    value = float(estimate(total))
    if n < 2:
        return GroupEstimate(value, float("nan"), 0.0)
    estimates_without = estimate(total - groups_asked)
    error = np.sqrt((n - 1) / n * ((estimates_without - estimates_without.mean()) ** 2).sum())
    return GroupEstimate(value, float(error), float(n - 1))


def reason_without_value(sums: Float64[np.ndarray, " 6"], estimator: FormEstimator) -> str:
    """Reason why an estimator has no value for these sums."""
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
    """Value at answer rate 1 of the line through the shares of the asked who answer `satisfied`."""
    (plain_rate, strong_rate), (plain_satisfied, strong_satisfied) = forms.answered, forms.satisfied
    slope = _ratio(np.asarray(strong_satisfied - plain_satisfied), np.asarray(strong_rate - plain_rate))
    return np.asarray(strong_satisfied + (1 - strong_rate) * slope)


def _ratio(numerator: np.ndarray | float, denominator: np.ndarray | float) -> Float64[np.ndarray, "*b"]:
    """Numerator over denominator; NaN where the denominator is 0."""
    divisor = np.asarray(denominator, np.float64)
    return np.divide(np.asarray(numerator), divisor, out=np.full(divisor.shape, np.nan), where=divisor != 0)
