"""Figures that a world is set to: rates per view under random slates and under the log's ranker, and how users come.

They are computed from the log that a world is fitted on, or known beside it; what neither tells is taken from a prior,
KuaiRand's totals. `sources` says of each figure which it was.

Axes: `lengths` classes of duration; `groups` of users; `hours` of the day.
"""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from user_models.errors import DataError

DURATION_EDGES: Final = (15.0, 30.0, 60.0, 120.0)
"""Seconds that part the classes of duration."""
RATES: Final = ("click", "long_view", "complete")
"""Nested rates of watching."""
_Rate = Annotated[float, Field(gt=0, lt=1)]
_Positive = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class Rates(_Strict):
    """Figures per view of one regime; `watch_s` in seconds, all others shares."""

    click: _Rate
    long_view: _Rate
    complete: _Rate
    like: _Rate
    follow: _Rate
    comment: _Rate
    forward: _Rate
    hate: _Rate
    profile_enter: _Rate
    watch_s: _Positive

    def figures(self) -> dict[str, float]:
        """Return the figures by name."""
        return {str(name): float(value) for name, value in self}


@final
class LengthRates(_Strict):
    """Nested rates by class of duration."""

    click: Annotated[tuple[_Rate, ...], Field(min_length=5, max_length=5)]
    long_view: Annotated[tuple[_Rate, ...], Field(min_length=5, max_length=5)]
    complete: Annotated[tuple[_Rate, ...], Field(min_length=5, max_length=5)]

    def figures(self) -> dict[str, tuple[float, ...]]:
        """Return the rates by name."""
        return {"click": self.click, "long_view": self.long_view, "complete": self.complete}


@final
class GroupRates(_Strict):
    """Rates by group of users."""

    click: tuple[_Rate, ...]
    long_view: tuple[_Rate, ...]

    def figures(self) -> dict[str, tuple[float, ...]]:
        """Return the rates by name."""
        return {"click": self.click, "long_view": self.long_view}


@final
class Targets(_Strict):
    """Figures that a world is set to; `random` under random slates, `base` under the log's own ranker.

    Attributes:
        name: Of the data that they are of.
        random: Per view.
        base: Per view.
        random_by_duration: By class of duration.
        base_by_duration: By class of duration.
        groups: Levels of the first public column of users.
        random_by_group: By those.
        base_by_group: By those.
        random_click_by_hour: Shape of the click rate over the day.
        base_click_by_hour: The same.
        hourly_exposures: Exposures by hour, in any unit.
        weekday_exposures: Exposures from Monday to Sunday, in any unit.
        sessions_per_day: Mean over all users and days.
        sessions_quantiles: Median and 90% quantile over users, in any unit.
        views_per_day: Mean over all users and days.
        views_quantiles: Median and 90% quantile over users, in any unit.
        return_gap: Shares of returns after 1, 2, ... days; at least five.
        random_click_spread: Standard deviation over users of the chance to click a random video.
        hate_share_of_top_tenth: Share of hates given by the tenth of haters who hate most.
        negative_answers: Share of dissatisfied answers.
        sources: Where figures come from, by name; empty for figures that are known as a whole.
    """

    name: str
    random: Rates
    base: Rates
    random_by_duration: LengthRates
    base_by_duration: LengthRates
    groups: tuple[str, ...]
    random_by_group: GroupRates
    base_by_group: GroupRates
    random_click_by_hour: Annotated[tuple[_Rate, ...], Field(min_length=24, max_length=24)]
    base_click_by_hour: Annotated[tuple[_Rate, ...], Field(min_length=24, max_length=24)]
    hourly_exposures: Annotated[tuple[_Positive, ...], Field(min_length=24, max_length=24)]
    weekday_exposures: Annotated[tuple[_Positive, ...], Field(min_length=7, max_length=7)]
    sessions_per_day: _Positive
    sessions_quantiles: tuple[_Positive, _Positive]
    views_per_day: _Positive
    views_quantiles: tuple[_Positive, _Positive]
    return_gap: Annotated[tuple[_Rate, ...], Field(min_length=5)]
    random_click_spread: _Positive
    hate_share_of_top_tenth: _Rate
    negative_answers: _Rate
    sources: dict[str, str] = Field(default_factory=dict[str, str])

    @model_validator(mode="after")
    def _has_every_group(self) -> "Targets":
        """Check that rates by group have a value for each."""
        for rates in (self.random_by_group, self.base_by_group):
            if {len(values) for values in rates.figures().values()} != {len(self.groups)}:
                raise ValueError(f"{len(self.groups)} groups given; want as many rates of each kind")
        return self

    def regimes(self) -> dict[str, dict[str, float]]:
        """Return the figures per view by regime."""
        return {"random": self.random.figures(), "base": self.base.figures()}


def read_targets(path: Path) -> Targets:
    """Read figures from a TOML file.

    Raises:
        DataError: No such file, no TOML, or a figure that is missing or impossible.
    """
    try:
        return Targets.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; name a file of totals") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {where}: {first['msg']}; mend the totals") from None
    except ValueError as error:
        raise DataError(f"{path}: is no TOML ({error}); mend it") from None


KUAIRAND: Final = read_targets(Path(str(files("user_models") / "data" / "mappings" / "kuairand-totals.toml")))
"""Totals of KuaiRand: the targets of worlds fitted on it, and the prior of all others."""
