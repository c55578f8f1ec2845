"""Limits the threads of NumPy's linear algebra."""

from __future__ import annotations

from threadpoolctl import threadpool_limits


def keep_products_small() -> None:
    """Let each of NumPy's matrix products be computed by one thread, from now on in this process.

    A window's mel bands are too small a product to be divided: with the processor busy, its threads wait
    for each other ten times longer than they compute. The networks' own libraries are not concerned.
    """
    threadpool_limits(1, "blas")
