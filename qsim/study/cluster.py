"""Tasks done by the workers of a dask scheduler, on this machine or others (``pip install 'qsim-lab[dask]'``).

It knows addresses and whether all have the same code: the answers are those of one process, byte for byte.  A worker
that is lost loses nothing: dask gives its tasks to another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from qsim.study.store import code
from qsim.study.tasks import Answer, Ask, Executor, Finished, Task, WorkerLost, perform

PATIENCE_S = 10
"""So long a scheduler has to answer."""


class ClusterError(Exception):
    """Why it cannot be done there; the text says what to do."""


def cluster(address: str) -> Executor:
    """Looked for at once, so that a wrong address is told before anything runs."""
    with _client(address):
        pass

    def execute(tasks: Sequence[Task], ask: Ask) -> Iterator[Finished]:
        from distributed import KilledWorker, as_completed

        with _client(address) as client:
            futures = {client.submit(_with_same_code, task, ask, code(), pure=False): n for n, task in enumerate(tasks)}
            for future in as_completed(list(futures), loop=client.loop):
                try:
                    yield futures[future], future.result()
                except KilledWorker as error:
                    raise WorkerLost(f"several workers ended over the same run: {error}") from None

    return execute


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise ClusterError("--dask needs dask: pip install 'qsim-lab[dask]'") from None
    try:
        return Client(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(f"--dask {address}: no scheduler answers there ({error})") from None


def _with_same_code(task: Task, ask: Ask, wanted: str) -> Answer:
    if code() != wanted:
        raise ClusterError(f"a worker has qsim {code()}, here it is {wanted}: install the same there")
    return perform(task, ask)
