"""What two rooms that may not import each other must agree on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import noise
from policies.base import Event
from simulator.rollout.population import empty_response, fresh_state
from user_models.dynamics import kernel
from user_models.testing import toy_world
from user_models.world.tables import ACTIONS

ALWAYS, NEVER = 60.0, -60.0


def lived_events(world) -> Event:
    """What the platform logs of one view, of user 0 and video 0, in a world."""
    rules = world.rules(views_scale=1.0)
    users = world.draw_users(np.arange(1), seed=0).latents
    state = fresh_state(users, 4, rules)
    state.patience[:] = 10.0
    response = empty_response(1, 1)
    keys, rows, slates = np.ones(1, np.uint64), np.zeros(1, np.int64), np.zeros((1, 1), np.int32)
    kernel.respond(keys, rows, slates, 0, users, world.draw_videos(1, seed=0).latents, state, rules, response)
    return Event(int(response.events[0, 0]))


def world_where(passing: float, scalars: dict[str, float] | None = None):
    """A world without actions, in which every threshold of every video has the same logit of being passed."""
    world = toy_world().with_values(scalars or {})
    return world.with_tables(
        stage=np.full_like(world.tables.stage, passing),
        action_base=np.full_like(world.tables.action_base, NEVER),
        slope=np.zeros_like(world.tables.slope),
    )


@pytest.mark.parametrize(
    ("watch_s", "duration_s", "events"),
    [
        (2.9, 100.0, Event.SKIP),
        (3.0, 100.0, Event(0)),
        (7.0, 100.0, Event(0)),
        (7.1, 100.0, Event.CLICK),
        (18.0, 100.0, Event.CLICK | Event.LONG_VIEW),
        (2.0, 2.0, Event.CLICK | Event.LONG_VIEW | Event.COMPLETE),
        (250.0, 100.0, Event.CLICK | Event.LONG_VIEW | Event.COMPLETE),
    ],
)
def test_watching_is_logged_as_kuairand_defines_it(watch_s, duration_s, events):
    assert Event(kernel.watch_events(np.float32(watch_s), duration_s)) == events


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_has_its_event(action):
    world = world_where(NEVER)
    base = world.tables.action_base.copy()
    base[ACTIONS.index(action)] = ALWAYS
    assert lived_events(world.with_tables(action_base=base)) == Event.SKIP | Event[action.upper()]


ANSWERED = Event.ASKED | Event.ANSWERED


@pytest.mark.parametrize(
    ("answering", "cuts", "events"),
    [
        (NEVER, (-1.0, 1.0), Event.ASKED),
        (ALWAYS, (ALWAYS, ALWAYS), ANSWERED | Event.DISSATISFIED),
        (ALWAYS, (NEVER, ALWAYS), ANSWERED),
        (ALWAYS, (NEVER, NEVER), ANSWERED | Event.SATISFIED),
    ],
)
def test_asking_and_answering_have_their_events(answering, cuts, events):
    said = dict(zip(("questionnaire.dissatisfied_below", "questionnaire.satisfied_above"), cuts, strict=True))
    world = world_where(ALWAYS, {"questionnaire.ask": 1.0, "questionnaire.answer_base": answering} | said)
    assert lived_events(world) == Event.CLICK | Event.LONG_VIEW | Event.COMPLETE | events


@given(words=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50))
def test_policies_and_users_mix_keys_alike(words):
    mixed = noise.mix(np.array(words, np.uint64))
    assert [int(word) for word in mixed] == [int(kernel.mix(np.uint64(word))) for word in words]
