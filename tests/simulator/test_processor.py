"""Numbers are the same to the byte on processors that are not here: CPUID is trapped and answered as they would."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from simulator import processor

SOURCE: Final = Path(__file__).with_name("other_processor.c")
CANNOT_TRAP: Final = 77
OTHERS: Final = ("zen3", "zen4", "haswell")
V3: Final = "flags\t\t: fpu sse2 avx avx2 fma bmi1 bmi2 f16c movbe abm\n"

STATE: Final = """
import json
import simulator
import llvmlite.binding, numba.core.registry, pyarrow, torch
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from threadpoolctl import threadpool_info
print(json.dumps({
    "host": llvmlite.binding.get_host_cpu_name(),
    "torch": torch.backends.cpu.get_cpu_capability(),
    "numpy": [name for name in __cpu_dispatch__ if __cpu_features__[name]],
    "openblas": [pool["architecture"] for pool in threadpool_info() if pool["internal_api"] == "openblas"],
    "numba": numba.core.registry.cpu_target.target_context.codegen().magic_tuple()[1:],
    "arrow": pyarrow.runtime_info().simd_level,
}))
"""

OPERATIONS: Final = """
import hashlib, json
import simulator
import numba, numpy as np, torch
from policies.torch_rankers.training import one_thread
from torch.nn import functional as F

@numba.njit(fastmath={"reassoc", "contract"})
def dot(a, b):
    total = np.float32(0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total

X = np.random.default_rng(1).normal(size=(1200, 60)).astype(np.float32)
x, wide = torch.from_numpy(X), X.astype(float)
gru, conv, linear = torch.nn.GRU(60, 24, batch_first=True), torch.nn.Conv1d(50, 8, 3), torch.nn.Linear(60, 9)
layers = torch.nn.ModuleList([gru, conv, linear])
for p in layers.parameters():
    torch.nn.init.uniform_(p, -1, 1, generator=torch.Generator().manual_seed(5))
with one_thread():
    batch = x.view(24, 50, 60)
    loss = gru(batch)[0].sum() + conv(batch).square().sum() + F.gelu(linear(batch)).softmax(-1).square().sum()
    loss.backward()
    adam = torch.optim.Adam(layers.parameters(), lr=0.01)
    adam.step()
    out = {
        "products": [x.T @ x, x @ x[0], batch @ batch.mT, F.scaled_dot_product_attention(batch, batch, batch)],
        "functions": [getattr(torch, name)(x.abs()) for name in "exp log sqrt tanh sigmoid erf log1p rsqrt".split()],
        "sums": [x.sum(), x.sum(0), x.norm(), x.softmax(1), x.logsumexp(1), x.cumsum(0), x.std(0)],
        "fourier": [torch.view_as_real(torch.fft.rfft(batch, dim=1))],
        "training": [loss, *layers.parameters(), *(p.grad for p in layers.parameters())],
    }
    out = {name: [value.detach().numpy() for value in values] for name, values in out.items()}
out["numpy"] = [getattr(np, n)(a) for n in "exp log log1p expm1 cbrt exp2".split() for a in (abs(X), abs(wide))]
out["linear algebra"] = [X @ X.T, wide.T @ wide, np.linalg.eigvalsh(wide.T @ wide), np.linalg.svd(wide)[1]]
out["order"] = [np.argsort(np.round(X.ravel(), 1))]
out["compiled"] = [dot(X.ravel(), X.ravel())]
digest = lambda values: hashlib.sha256(b"".join(np.ascontiguousarray(v).tobytes() for v in values)).hexdigest()
print(json.dumps({name: digest(values) for name, values in out.items()}))
"""

EXPERIMENT: Final = """
import sys
from simulator import ArmSpec, ExperimentSpec, run
control, *treatments = (ArmSpec(name=name, policy=name) for name in sys.argv[2:])
spec = ExperimentSpec(name="x", seed=3, users=int(sys.argv[1]), days=1, pre_days=1, pre_policy="random",
                      questionnaire="dense", views_scale=0.1, arms=(control, *treatments))
print(run(spec).to_json())
"""

Play = Callable[..., str]


def in_new_process(code: str, *words: str, **variables: str) -> str:
    """What a script prints in a process that has inherited nothing that holds a library."""
    env = {name: value for name, value in os.environ.items() if name not in processor.PINS} | variables
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=env, cwd=Path.cwd(), capture_output=True, text=True, check=False
    )
    if done.returncode == CANNOT_TRAP:
        pytest.skip("CPUID cannot be trapped on this machine")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def on_processor(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Runs a script as on another processor."""
    compiler = shutil.which("cc")
    if compiler is None or not processor.pinnable():
        pytest.skip("no C compiler, or nothing is pinned on this machine")
    library = tmp_path_factory.mktemp("processor") / "other_processor.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)

    def play(name: str, code: str, *words: str, **variables: str) -> str:
        return in_new_process(code, *words, PROCESSOR=name, LD_PRELOAD=str(library), **variables)

    return play


def test_every_library_is_held():
    if not processor.pinnable():
        pytest.skip("nothing is pinned on this machine")
    state = json.loads(in_new_process(STATE))
    assert (state["torch"], state["openblas"], state["arrow"]) == ("AVX2", ["Haswell"], "avx2")
    assert state["numpy"] == ["X86_V3"]
    assert state["numba"] == ["x86-64-v3", ""]


def test_other_processors_are_believed(on_processor):
    switched_off = {name: json.loads(on_processor(name, STATE, ASKEW_PORTABLE="0")) for name in OTHERS[:2]}
    assert {state["host"] for state in switched_off.values()} == {"znver3", "znver4"}
    assert switched_off["zen3"]["torch"] == "AVX2"


def test_operations_are_the_same_on_other_processors(on_processor):
    here = json.loads(in_new_process(OPERATIONS))
    there = {name: json.loads(on_processor(name, OPERATIONS)) for name in OTHERS}
    assert {name: [k for k in here if digests[k] != here[k]] for name, digests in there.items()} == {
        name: [] for name in OTHERS
    }


def test_a_trained_experiment_is_the_same_on_an_amd_processor(on_processor):
    words = ("150", "random", "satisfaction")
    assert on_processor("zen3", EXPERIMENT, *words) == in_new_process(EXPERIMENT, *words)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["satisfaction", "gru4rec", "caser", "saqrec"])
def test_trained_experiments_are_the_same_on_other_processors(on_processor, policy):
    words = ("300", "random", policy)
    here = in_new_process(EXPERIMENT, *words)
    assert [name for name in OTHERS if on_processor(name, EXPERIMENT, *words) != here] == []


@pytest.mark.parametrize(
    ("text", "answer"), [(V3, True), (V3.replace(" avx2", ""), False), (V3.replace(" fma", ""), False), ("", False)]
)
def test_only_what_the_processor_can_do_is_asked_for(tmp_path, monkeypatch, text, answer):
    monkeypatch.delenv(processor.SWITCH, raising=False)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\n" + text)
    assert processor.pinnable(tmp_path / "cpuinfo") == answer
    assert not processor.pinnable(tmp_path / "not there")


def test_other_machines_and_the_switch_leave_everything_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(V3)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert not processor.pinnable(tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setenv(processor.SWITCH, "0")
    assert not processor.pinnable(tmp_path / "cpuinfo")


def test_what_is_set_already_stays(monkeypatch):
    monkeypatch.setattr(processor, "pinnable", lambda: True)
    for name in processor.PINS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    processor.pin()
    assert processor.pinned() == processor.PINS | {"NUMBA_CPU_NAME": "generic"}


def test_a_library_imported_too_early_is_named_once(monkeypatch, caplog):
    monkeypatch.setattr(processor, "pinnable", lambda: True)
    for name in processor.PINS:
        monkeypatch.delenv(name, raising=False)
    processor.pin()
    with caplog.at_level(logging.WARNING):
        processor.warn_if_late()
        processor.warn_if_late()
    (message,) = caplog.messages
    assert "numpy" in message
    assert "import simulator first" in message


def test_nothing_is_said_where_all_was_set_in_time(monkeypatch, caplog):
    monkeypatch.setattr(processor, "pinnable", lambda: True)
    for name, value in processor.PINS.items():
        monkeypatch.setenv(name, value)
    processor.pin()
    processor.warn_if_late()
    assert not caplog.messages
