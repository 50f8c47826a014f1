"""A ranker behind HTTP, in any language: requests go out in batches, scores come back.

A batch is posted as JSON, `{"format": 1, "k": 6, "arrays": {"candidates": [[...], ...], ...}}`, or as an Arrow stream
of one record batch whose columns are the arrays (lists where they have more dimensions). The answer is
`{"scores": [[...], ...]}`, or an Arrow stream with a column `scores`: one number per candidate, the highest first.

Axes: `users` requests, `n` candidates.
"""

import hashlib
import io
import json
import os
import threading
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast, final
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import requests
from jaxtyping import Float32
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from policies.base import Noise, Observation, Slates, top_k
from policies.external.request_arrays import check_names, request_arrays

Encoding: TypeAlias = Literal["json", "arrow"]
FORMAT: Final = 1
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_MEDIA: Final = {"json": "application/json", "arrow": "application/vnd.apache.arrow.stream"}
_USUAL: Final = ("user_id", "candidates", "day", "hour", "position")
_BYTES_PER_SCORE: Final = 64
_MORE_BYTES: Final = 1 << 16
"""An answer may have so many bytes per score, and so many more."""


@final
class HttpPolicyError(ValueError):
    """The server cannot be asked, or answers in another form; the message names it and what was wanted."""


@final
class HttpPolicy:
    """Rank by the scores that a server gives over HTTP; answers can be stored, and a run played again without it."""

    def __init__(
        self,
        url: str,
        arrays: list[str] | None = None,
        encoding: Encoding = "json",
        timeout_s: float = 10.0,
        tries: int = 3,
        allow: list[str] | None = None,
        record: str | None = None,
        *,
        replay: bool = False,
    ) -> None:
        """Check the options; nothing is asked yet.

        Args:
            url: Where batches are posted to.
            arrays: What is sent of each request, see `policies.external.request_arrays.ARRAYS`; `candidates` always is.
            encoding: `json` or `arrow`.
            timeout_s: Seconds to wait for each answer; more than 0.
            tries: Times a batch is sent before giving up; at least 1.
            allow: Hosts other than this machine that may be asked.
            record: Folder for answers. An answer that is there is not asked for again.
            replay: Take all answers from `record`, and never ask.

        Raises:
            ValueError: An option out of range, or a host that is neither this machine nor in `allow`.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url={url!r} given, want http://HOST:PORT/PATH")
        if parts.hostname not in (*_LOOPBACK, *(allow or ())):
            raise ValueError(
                f"url={url!r} given, which is not this machine; add {parts.hostname!r} to allow if it may be asked"
            )
        if not 0 < timeout_s < np.inf or tries < 1:
            raise ValueError(f"timeout_s={timeout_s}, tries={tries} given, want more than 0 and at least 1")
        if replay and record is None:
            raise ValueError("replay=true given without record, want the folder of the answers")
        self._arrays = list(dict.fromkeys(("candidates", *(_USUAL if arrays is None else arrays))))
        check_names(self._arrays)
        self._encoding: Encoding = encoding
        self._url, self._timeout_s, self._tries = url, timeout_s, tries
        self._record, self._replay = Path(record) if record else None, replay

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG002 - the contract's signature
        """Return the `k` best candidates of each request."""
        return top_k(obs, self._scores(obs, k), k)

    def scores(self, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate of each request, as for a slate of all.

        Raises:
            HttpPolicyError: The server does not answer, or in another form.
        """
        return self._scores(obs, obs.candidates.shape[1])

    def _scores(self, obs: Observation, k: int) -> Float32[np.ndarray, "users n"]:
        """Scores from the folder of answers, or else from the server."""
        body = _encode(request_arrays(obs, self._arrays), k, self._encoding)
        stored = None if self._record is None else self._record / f"{hashlib.sha256(body).hexdigest()}.safetensors"
        if stored is not None and stored.exists():
            return _checked(_load(stored), obs.candidates.shape, str(stored))
        if self._replay:
            raise HttpPolicyError(
                f"{self._record}: holds no answer to a request of day {obs.day}; run it without replay"
            )
        answer = self._ask(body, obs.candidates.size)
        scores = _checked(_decode(answer, self._encoding, self._url), obs.candidates.shape, self._url)
        if stored is not None:
            _store(stored, scores)
        return scores

    def _ask(self, body: bytes, n_scores: int) -> bytes:
        """Post a batch and return the answer's bytes; after a failure it is posted again."""
        fault = ""
        for _ in range(self._tries):
            try:
                return self._post(body, _MORE_BYTES + _BYTES_PER_SCORE * n_scores)
            except requests.RequestException as error:
                fault = _fault(error, self._timeout_s)
        raise HttpPolicyError(f"{self._url}: {fault}, tried {self._tries} times; start the server or check its log")

    def _post(self, body: bytes, most: int) -> bytes:
        """Post a batch once. No redirect is followed, and no proxy of the environment is used."""
        media = _MEDIA[self._encoding]
        with requests.Session() as session:
            session.trust_env = False
            with session.post(
                self._url, data=body, headers={"Content-Type": media, "Accept": media}, timeout=self._timeout_s,
                allow_redirects=False, stream=True,
            ) as response:  # fmt: skip
                if response.status_code != requests.codes.ok:
                    raise requests.HTTPError(f"answers with status {response.status_code}, want 200")
                answer = response.raw.read(most + 1, decode_content=True)
        if len(answer) > most:
            raise HttpPolicyError(f"{self._url}: answers with more than {most:,} bytes, want one number per candidate")
        return answer


def _encode(arrays: dict[str, np.ndarray], k: int, encoding: Encoding) -> bytes:
    """A batch as JSON or as an Arrow stream; the same requests give the same bytes."""
    if encoding == "json":
        plain = {name: array.tolist() for name, array in arrays.items()}
        return json.dumps({"format": FORMAT, "k": k, "arrays": plain}, separators=(",", ":")).encode()
    table = pa.table({name: _column(array) for name, array in arrays.items()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema.with_metadata({"format": str(FORMAT), "k": str(k)})) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _column(array: np.ndarray) -> pa.Array:
    """An array as a column: lists of lists where it has more dimensions than one."""
    column = pa.array(np.ascontiguousarray(array).ravel())
    for size in reversed(array.shape[1:]):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return cast("pa.Array", column)


def _decode(answer: bytes, encoding: Encoding, url: str) -> object:
    """The scores of an answer, not yet checked."""
    try:
        if encoding == "json":
            return json.loads(answer)["scores"]
        with pa.ipc.open_stream(answer) as reader:
            return reader.read_all()["scores"].to_pylist()
    except (ValueError, KeyError, TypeError, RecursionError, pa.ArrowException) as error:
        raise HttpPolicyError(
            f"{url}: answers without scores in {encoding}: {str(error).partition(chr(10))[0]}"
        ) from None


def _checked(scores: object, shape: tuple[int, ...], source: str) -> Float32[np.ndarray, "users n"]:
    """Scores as an array of the candidates' shape, all finite."""
    try:
        array = np.asarray(scores, np.float32)
    except (TypeError, ValueError):
        raise HttpPolicyError(f"{source}: scores are not numbers in rows of one length, want {shape}") from None
    if array.shape != shape:
        raise HttpPolicyError(f"{source}: scores of shape {array.shape}, want {shape}: one per request and candidate")
    if not np.isfinite(array).all():
        raise HttpPolicyError(f"{source}: scores that are not finite, want numbers")
    return array


def _load(stored: Path) -> object:
    """A stored answer."""
    try:
        return load_file(stored)["scores"]
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise HttpPolicyError(f"{stored}: damaged: {str(error).partition(chr(10))[0]}; remove it") from None


def _store(stored: Path, scores: np.ndarray) -> None:
    """Store an answer, whole or not at all."""
    partial = stored.with_name(f".{stored.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        stored.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(save({"scores": scores}))
        partial.replace(stored)
    except OSError as error:
        raise HttpPolicyError(f"{stored.parent}: cannot be written: {error.strerror}; give another record") from None


def _fault(error: requests.RequestException, timeout_s: float) -> str:
    """What went wrong, in words."""
    if isinstance(error, requests.Timeout):
        return f"no answer in {timeout_s:g} s"
    if isinstance(error, requests.HTTPError):
        return str(error)
    return "no server answers"
