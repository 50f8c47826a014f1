"""The shared trainer: seeded, on one thread, stopped in time."""

import pytest
import torch
from torch import nn

from policies.torch_rankers.initialisers import linear, standardise
from policies.torch_rankers.training import LossCurve, TrainingSchedule, one_thread, split_users, train


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def learn(schedule=TrainingSchedule(epochs=60, users_per_step=8, learning_rate=0.1, patience=60), seed=0):  # noqa: B008 - frozen
    """Learn the line y = 2 x + 1 from 64 users with one point each."""
    x = torch.linspace(-1, 1, 64)[:, None]
    model = linear(1, 1, seeded(seed))
    curve = train(
        model,
        lambda users: (model(x[users]) - 2 * x[users] - 1).square().mean(),
        lambda: torch.zeros(()),
        64,
        schedule,
        seeded(seed),
    )
    return model, curve


def test_learns_a_line():
    model, curve = learn()
    assert model.weight.item() == pytest.approx(2, abs=0.02)
    assert model.bias.item() == pytest.approx(1, abs=0.02)
    assert curve.validation[curve.best] == min(curve.validation)


def test_same_seed_same_weights():
    short = TrainingSchedule(epochs=3, users_per_step=8)
    (a, _), (b, _), (c, _) = learn(short, seed=1), learn(short, seed=1), learn(short, seed=2)
    assert torch.equal(a.weight, b.weight)
    assert not torch.equal(a.weight, c.weight)


def test_a_penalty_is_paid_in_training_only():
    model = nn.Linear(1, 1, device="meta").to_empty(device="cpu")
    nn.init.ones_(model.weight)
    nn.init.zeros_(model.bias)
    x = torch.ones(20, 1)
    schedule = TrainingSchedule(epochs=2, learning_rate=1e-6)
    curve = train(model, lambda u: model(x[u]).mean(), lambda: torch.tensor(5.0), 20, schedule, seeded())
    assert curve.training[0] == pytest.approx(6, abs=1e-3)
    assert curve.validation[0] == pytest.approx(1, abs=1e-3)


def test_stops_when_held_out_users_stop_gaining_and_keeps_the_best():
    model = linear(1, 1, seeded())
    held_out = set(split_users(40, TrainingSchedule(), seeded())[1].tolist())

    def loss(users):
        """Training pulls the bias up; held-out users want it at .05."""
        wanted = 0.05 if users[0].item() in held_out else 5.0
        return (model.bias - wanted).square().sum()

    schedule = TrainingSchedule(epochs=50, learning_rate=0.02, users_per_step=36, patience=3)
    curve = train(model, loss, lambda: torch.zeros(()), 40, schedule, seeded())
    assert len(curve.validation) == curve.best + 1 + 3
    assert model.bias.item() == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize(("n", "held_out"), [(1, 1), (2, 1), (100, 10), (100_000, 1000)])
def test_users_are_split(n, held_out):
    learned, kept = split_users(n, TrainingSchedule(), seeded())
    assert len(kept) == held_out
    assert n == 1 or set(learned.tolist()).isdisjoint(kept.tolist())
    assert len(set(learned.tolist()) | set(kept.tolist())) == n


def test_a_wild_batch_moves_no_further_than_others():
    """One batch is a million times as steep as the rest; Adam's second moment would otherwise stand still after it."""
    model = nn.Linear(1, 1, device="meta").to_empty(device="cpu")
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    x, steps = torch.ones(200, 1), [0]

    def loss(users):
        steps[0] += torch.is_grad_enabled()
        return (1e6 if steps[0] == 2 else 1.0) * (model(x[users]) - 3).square().mean()

    schedule = TrainingSchedule(epochs=20, users_per_step=20, learning_rate=0.1, patience=20)
    train(model, loss, lambda: torch.zeros(()), 200, schedule, seeded())
    assert model(x[:1]).item() == pytest.approx(3, abs=0.1)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_layers_leave_the_global_stream_alone():
    before = torch.get_rng_state()
    linear(3, 4, seeded())
    assert torch.equal(before, torch.get_rng_state())


def test_constant_columns_are_not_blown_up():
    mean, spread = standardise(torch.tensor([[1.0, 3.0], [3.0, 3.0]]))
    assert mean.tolist() == [2, 3]
    assert spread.tolist() == [1, 1]


def test_the_best_epoch_is_the_first_of_equals():
    assert LossCurve((1, 1, 1), (3.0, 2.0, 2.0)).best == 1
