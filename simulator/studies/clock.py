"""Seconds that the stages of a run take."""

import time
from dataclasses import dataclass, field
from typing import final

from simulator.experiment.runner import Progress


@final
@dataclass
class Clock:
    """Seconds by stage of a run."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    stage: str = ""
    since: float = 0.0

    def tell(self, stage: str) -> None:
        """A step of a stage begins now."""
        now = time.perf_counter()
        if self.stage:
            self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self.since
        self.stage, self.since = stage, now

    def watch(self, progress: Progress) -> Progress:
        """Progress that is shown and timed."""

        def show(stage: str, done: int, total: int) -> None:
            self.tell(stage)
            progress(stage, done, total)

        return show
