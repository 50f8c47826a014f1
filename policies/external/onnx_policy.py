"""A ranker as an ONNX graph (https://onnx.ai), trained anywhere: onnxruntime runs the graph, and nothing else is run.

The graph's inputs are arrays of the requests by name, see `policies.external.request_arrays.ARRAYS`; a manifest says
which, if the graph has other names. Its first dimension is the batch, of 256 requests; its first output is one score
per candidate, or one per request and candidate in a row.

Axes: `users` requests, `n` candidates.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Float32

from policies.base import Noise, Observation, Slates, top_k
from policies.external.request_arrays import check_names, request_arrays

BATCH: Final = 256
"""Requests per call; shorter batches are filled up, so that a row's result does not depend on how many come along."""
_TYPES: Final[Mapping[str, type[np.generic]]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
_KEYS: Final = ("inputs", "output")


@runtime_checkable
class _Node(Protocol):
    """An input or output of a graph."""

    name: str
    type: str


@runtime_checkable
class _Session(Protocol):
    """A graph that onnxruntime has read."""

    def get_inputs(self) -> Sequence[_Node]:
        """List the inputs."""
        ...

    def get_outputs(self) -> Sequence[_Node]:
        """List the outputs."""
        ...

    def run(self, output_names: list[str], input_feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Compute outputs."""
        ...


@final
class OnnxError(ValueError):
    """The graph or its manifest cannot be used; the message says what was found and what is wanted."""


@final
class OnnxPolicy:
    """Rank by the scores of an ONNX graph, trained anywhere."""

    def __init__(self, model: str, manifest: str | None = None) -> None:
        """Read the graph.

        Args:
            model: The .onnx file; weights must be inside.
            manifest: A TOML file. Its table `inputs` says which array each input of the graph takes, `output` names the
                output. By default a file beside the graph that ends in .toml, if there is one. An input that it does
                not name takes the array of its own name.

        Raises:
            ValueError: A file is missing or damaged, or the graph has an input that no array fits.
        """
        path = Path(model)
        self._path = path
        self._bytes = _read(path)
        beside = path.with_suffix(".toml")
        wanted = Path(manifest) if manifest is not None else beside if beside.exists() else None
        self._arrays, self._output = _read_manifest(wanted) if wanted else ({}, None)
        self._session: _Session | None = None
        self._check()

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG002 - the contract's signature
        """Return the `k` best candidates of each request."""
        return top_k(obs, self.scores(obs), k)

    def scores(self, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate of each request with the graph.

        Raises:
            OnnxError: The graph fails, or its output has another shape than the candidates.
        """
        session = self._open()
        types = {node.name: _TYPES[node.type] for node in session.get_inputs()}
        named = {name: self._arrays.get(name, name) for name in types}
        arrays = request_arrays(obs, list(dict.fromkeys(named.values())))
        feeds = {name: np.ascontiguousarray(arrays[array], types[name]) for name, array in named.items()}
        scores = np.empty(obs.candidates.shape, np.float32)
        for first in range(0, len(scores), BATCH):
            rows = slice(first, first + BATCH)
            scores[rows] = self._run(session, {name: feed[rows] for name, feed in feeds.items()}, scores[rows].shape)
        return scores

    def __getstate__(self) -> dict[str, Any]:
        """Leave out onnxruntime's session, which cannot be copied; the copy opens its own."""
        return {**vars(self), "_session": None}

    def _run(self, session: _Session, feeds: Mapping[str, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
        """Scores of one batch, filled up with its first row."""
        n_rows = shape[0]
        lack = BATCH - n_rows
        filled = {name: np.concatenate([feed, np.repeat(feed[:1], lack, axis=0)]) for name, feed in feeds.items()}
        try:
            (output,) = session.run([self._output or session.get_outputs()[0].name], filled)
        except Exception as error:  # noqa: BLE001 - onnxruntime's classes have no common one of their own
            raise OnnxError(f"{self._path}: the graph fails: {_line(error)}") from None
        scores = np.asarray(output)
        if scores.size != BATCH * shape[1] or scores.shape[0] not in (BATCH, scores.size):
            raise OnnxError(
                f"{self._path}: output of shape {scores.shape} for {BATCH} requests of {shape[1]} candidates"
            )
        scores = scores.reshape(BATCH, shape[1])[:n_rows]
        if not np.isfinite(scores).all():
            raise OnnxError(f"{self._path}: the graph gives scores that are not finite")
        return scores

    def _open(self) -> _Session:
        """Open the graph, if it is not open."""
        if self._session is None:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 4
            try:
                session: _Session = onnxruntime.InferenceSession(  # pyright: ignore[reportAssignmentType] # not typed
                    self._bytes, options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # noqa: BLE001 - onnxruntime's classes have no common one of their own
                raise OnnxError(f"{self._path}: not a graph that onnxruntime reads: {_line(error)}") from None
            self._session = session
        return self._session

    def _check(self) -> None:
        """Check that every input has an array of a known type, and that the named output is there."""
        session = self._open()
        inputs, outputs = session.get_inputs(), [node.name for node in session.get_outputs()]
        unknown = [name for name in self._arrays if name not in {node.name for node in inputs}]
        if unknown:
            raise OnnxError(f"{self._path}: the manifest names input {unknown[0]!r}, which the graph has not")
        if self._output is not None and self._output not in outputs:
            raise OnnxError(f"{self._path}: output {self._output!r} given, want one of {', '.join(outputs)}")
        try:
            check_names([self._arrays.get(node.name, node.name) for node in inputs])
        except ValueError as error:
            raise OnnxError(f"{self._path}: {error}; name its array in the manifest's table inputs") from None
        for node in inputs:
            if node.type not in _TYPES:
                raise OnnxError(f"{self._path}: input {node.name!r} is a {node.type}, want {', '.join(_TYPES)}")


def _read(path: Path) -> bytes:
    """Contents of the graph's file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise OnnxError(f"{path}: cannot be read: {error.strerror}; want an .onnx file") from None


def _read_manifest(path: Path) -> tuple[dict[str, str], str | None]:
    """The array of each input, and the output's name."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OnnxError(f"{path}: cannot be read: {error.strerror}; want a TOML file") from None
    except ValueError as error:
        raise OnnxError(f"{path}: not TOML: {_line(error)}") from None
    unknown = [key for key in content if key not in _KEYS]
    if unknown:
        raise OnnxError(f"{path}: key {unknown[0]!r} given, want {' and '.join(_KEYS)}")
    inputs, output = content.get("inputs", {}), content.get("output")
    if not isinstance(inputs, dict) or not all(isinstance(array, str) for array in inputs.values()):
        raise OnnxError(f"{path}: inputs given as {inputs!r}, want a table such as [inputs] items = 'candidates'")
    if output is not None and not isinstance(output, str):
        raise OnnxError(f"{path}: output {output!r} given, want a name")
    return inputs, output


def _line(error: Exception) -> str:
    """The first line of a message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
