"""States to start kernels from."""

from collections.abc import Callable

import numpy as np
import pytest

from user_models.dynamics.state import UserState


def rested(n_users: int) -> UserState:
    f32, i16 = np.float32, np.int16
    return UserState(
        patience=np.full(n_users, 1e9, f32),
        sessions_left=np.zeros((n_users, 4), i16),
        session=np.zeros(n_users, i16),
        request=np.zeros(n_users, i16),
        views=np.zeros(n_users, np.int32),
        hour=np.zeros(n_users, np.int8),
        clicked=np.full(n_users, 0.5, f32),
        skips=np.zeros(n_users, i16),
        pleasure=np.zeros(n_users, f32),
        mood=np.zeros(n_users, f32),
        days_away=np.zeros(n_users, i16),
        prompts=np.zeros(n_users, f32),
        last_asked=np.full(n_users, -100, i16),
        asked=np.zeros(n_users, i16),
        leaning=np.zeros((n_users, 8), f32),
        seen=np.zeros((n_users, 8), f32),
        wary=np.zeros(n_users, f32),
    )


@pytest.fixture(scope="session", name="rested")
def rested_fixture() -> Callable[[int], UserState]:
    """Users who never tire, on the morning of a day."""
    return rested
