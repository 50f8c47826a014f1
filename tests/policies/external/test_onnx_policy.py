"""A ranker as an ONNX graph: its scores, its inputs by name, and what is refused."""

import copy

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from policies import check_policy
from policies.external.onnx_policy import BATCH, OnnxError, OnnxPolicy
from policies.noise import KeyedNoise
from policies.registry import build_policy
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen

RNG = np.random.default_rng(1)
LOG = draw_log(make_specimen(8, 40, RNG), SyntheticLogPlan(n_requests=4), RNG)
OBS = draw_requests(LOG, np.arange(5), 12, 20, RNG)


def write_graph(path, input_name="duration_s", kind=TensorProto.FLOAT, shape=("b", "n"), scale=-1.0):
    """A graph of one input that multiplies it; the shortest videos come first."""
    nodes = [
        helper.make_node("Cast", [input_name], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["number", "scale"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "ranker",
        [helper.make_tensor_value_info(input_name, kind, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.array(scale, np.float32), "scale")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return str(path)


def ranked(policy, obs=OBS):
    """Slates of four."""
    return policy.rank(obs, 4, KeyedNoise(np.arange(len(obs.user_id), dtype=np.uint64)))


def test_the_best_of_the_graphs_scores_are_shown(tmp_path):
    policy = build_policy("onnx", {"model": write_graph(tmp_path / "a.onnx")})
    seconds = OBS.videos.duration_s[OBS.candidates]
    wanted = np.take_along_axis(OBS.candidates, np.argsort(seconds, axis=1, kind="stable")[:, :4], axis=1)
    assert ranked(policy).tolist() == wanted.tolist()


def test_it_keeps_the_contract_of_policies(tmp_path):
    model = write_graph(tmp_path / "a.onnx")
    check_policy(lambda: OnnxPolicy(model))


def test_a_manifest_names_the_array_of_an_input(tmp_path):
    model = write_graph(tmp_path / "a.onnx", "items", TensorProto.INT64)
    (tmp_path / "a.toml").write_text('output = "scores"\n[inputs]\nitems = "candidates"\n')
    np.testing.assert_array_equal(OnnxPolicy(model).scores(OBS), -OBS.candidates.astype(np.float32))
    other = tmp_path / "other.toml"
    other.write_text('[inputs]\nitems = "tag"\n')
    np.testing.assert_array_equal(OnnxPolicy(model, str(other)).scores(OBS), -OBS.videos.tag[OBS.candidates])


def test_more_requests_than_a_batch_are_scored_as_one_by_one(tmp_path):
    obs = draw_requests(LOG, np.arange(BATCH + 44) % 8, 12, 20, np.random.default_rng(3))
    policy = OnnxPolicy(write_graph(tmp_path / "a.onnx"))
    np.testing.assert_array_equal(policy.scores(obs), -obs.videos.duration_s[obs.candidates])


def test_a_copy_ranks_alike(tmp_path):
    policy = OnnxPolicy(write_graph(tmp_path / "a.onnx"))
    assert ranked(copy.deepcopy(policy)).tolist() == ranked(policy).tolist()


class TwoTowers(torch.nn.Module):
    """A net of the kind that other libraries export: an embedding per video, and the mean of those in the history."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.items = torch.nn.Embedding(1000, 8)

    def forward(self, candidates, history_video_id, history_click):
        clicks = history_click.float().unsqueeze(2)
        user = (self.items(history_video_id) * clicks).sum(1) / (clicks.sum(1) + 1)
        return (self.items(candidates) @ user.unsqueeze(2)).squeeze(2)


def test_a_net_of_torch_ranks_as_in_torch(tmp_path):
    net = TwoTowers().eval()
    names = ["candidates", "history_video_id", "history_click"]
    history = OBS.history
    clicks = ((history.events & 1) != 0) & history.mask
    inputs = tuple(torch.from_numpy(array.astype(np.int64)) for array in (OBS.candidates, history.video_id, clicks))
    nodes = [
        helper.make_node("Gather", ["items", "history_video_id"], ["seen"]),
        helper.make_node("Cast", ["history_click"], ["clicked"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["clicked", "two"], ["weight"]),
        helper.make_node("Mul", ["seen", "weight"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "one"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["weight", "one"], ["n"], keepdims=0),
        helper.make_node("Add", ["n", "unit"], ["n_more"]),
        helper.make_node("Div", ["total", "n_more"], ["user"]),
        helper.make_node("Unsqueeze", ["user", "two"], ["column"]),
        helper.make_node("Gather", ["items", "candidates"], ["offered"]),
        helper.make_node("MatMul", ["offered", "column"], ["product"]),
        helper.make_node("Squeeze", ["product", "two"], ["scores"]),
    ]
    constants = {
        "items": net.items.weight.detach().numpy(),
        "one": np.array([1], np.int64),
        "two": np.array([2], np.int64),
        "unit": np.array(1, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "towers",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ("b", f"n_{name}")) for name in names],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ("b", "n"))],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    (tmp_path / "towers.onnx").write_bytes(model.SerializeToString())
    with torch.no_grad():
        wanted = net(*inputs).numpy()
    np.testing.assert_allclose(OnnxPolicy(str(tmp_path / "towers.onnx")).scores(OBS), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("[inputs]\nitem = 'tag'\n", "the manifest names input 'item', which the graph has not"),
        ("output = 'score'\n", "output 'score' given, want one of scores"),
        (
            "[inputs]\nduration_s = 'duration'\n",
            "array 'duration' given, which no request has; did you mean 'duration_s'",
        ),
        ("batch = 3\n", "key 'batch' given, want inputs and output"),
        ("inputs = 3\n", "inputs given as 3, want a table"),
        ("[inputs\n", "not TOML"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_in_one_line(tmp_path, manifest, words):
    model = write_graph(tmp_path / "a.onnx")
    (tmp_path / "a.toml").write_text(manifest)
    with pytest.raises(OnnxError, match=words) as refusal:
        OnnxPolicy(model)
    assert "\n" not in str(refusal.value)


def test_a_graph_that_is_none_or_asks_for_what_no_request_has_is_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(OnnxError, match="not a graph that onnxruntime reads"):
        OnnxPolicy(str(tmp_path / "text.onnx"))
    with pytest.raises(OnnxError, match="cannot be read: No such file"):
        OnnxPolicy(str(tmp_path / "none.onnx"))
    with pytest.raises(OnnxError, match="name its array in the manifest's table inputs"):
        OnnxPolicy(write_graph(tmp_path / "b.onnx", "my_items"))
    with pytest.raises(OnnxError, match=r"input 'tag' is a tensor\(string\), want"):
        OnnxPolicy(write_text_graph(tmp_path / "c.onnx"))


def write_text_graph(path):
    """A graph whose input is text."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["tag"], ["scores"])],
        "text",
        [helper.make_tensor_value_info("tag", TensorProto.STRING, ("b", "n"))],
        [helper.make_tensor_value_info("scores", TensorProto.STRING, ("b", "n"))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_an_output_of_another_shape_and_scores_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(OnnxError, match=r"output of shape \(256,\) for 256 requests of \d+ candidates"):
        OnnxPolicy(write_graph(tmp_path / "a.onnx", "hour", shape=("b",))).scores(OBS)
    with pytest.raises(OnnxError, match="scores that are not finite"):
        OnnxPolicy(write_graph(tmp_path / "b.onnx", scale=np.inf)).scores(OBS)
