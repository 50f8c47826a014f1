"""Timing of the stages of a run."""

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

    def start_stage(self, stage: str) -> None:
        """Note that a step of a stage begins."""
        now = time.perf_counter()
        if self.stage:
            self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self.since
        self.stage, self.since = stage, now

    def watch(self, progress: Progress) -> Progress:
        """Wrap a progress function so that it is timed."""

        def show(stage: str, done: int, total: int) -> None:
            self.start_stage(stage)
            progress(stage, done, total)

        return show
