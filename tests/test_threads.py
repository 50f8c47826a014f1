"""Sums of floats are the same on every machine: the linear algebra of a test has one thread."""

import numpy as np
from threadpoolctl import threadpool_info


def test_linear_algebra_has_one_thread():
    assert np.array_equal(np.eye(2) @ np.eye(2), np.eye(2))
    threads = {pool["user_api"]: pool["num_threads"] for pool in threadpool_info()}
    assert threads["blas"] == 1
    assert set(threads.values()) == {1}
