"""Crew at work: orders go out as slots fall free, and what came of each comes back.

Never more orders in flight than slots: when a worker dies, every task that was assigned to it is
blamed, running or not, so a row that kills its worker must not drag others along.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

from pipeline.cluster import Crew
from pipeline.worker import Order, run

DEATHS_ALONE = 3


class Death(NamedTuple):
    """The worker died while it held the order."""

    message: str


Outcome = Death | Exception | None
"""None: the order is done, and its record says what came of it."""


def work_through(crew: Crew, orders: deque[Order]) -> Iterator[tuple[Order, Outcome]]:
    """Yield each order with its outcome, in the order of completion.

    Orders may be appended while iterating, which is how one is tried again.
    """
    if crew.client is None:
        with ThreadPoolExecutor(max_workers=1) as here:
            while orders:
                order = orders.popleft()
                yield order, _outcome(here.submit(run, order))
        return
    from distributed import as_completed

    held: dict[Any, Order] = {}
    ready = as_completed()
    while orders or held:
        while orders and len(held) < crew.slots:
            order = orders.popleft()
            future = crew.client.submit(run, order, pure=False, retries=0)
            held[future] = order
            ready.add(future)
        future = next(ready)
        yield held.pop(future), _outcome(future)


def _outcome(future: Any) -> Outcome:
    # Not `result()`: a worker that died since cannot be asked for it, and Dask would keep trying.
    error = future.exception()
    if type(error).__name__ == "KilledWorker":  # by name: inline runs must not import distributed
        return Death(str(error))
    return error if error is None or isinstance(error, Exception) else RuntimeError(repr(error))


def find_deadly(crew: Crew, order: Order, keys: list[str]) -> tuple[list[str], Exception | None]:
    """Return the keys of the rows that kill their worker, found by halving, each tried alone.

    Args:
        crew: the cluster; nothing else may be in flight.
        order: an order that has lost its worker twice.
        keys: key of each row of its first role.

    Returns:
        The keys, and an exception that a trial raised instead of dying, if any.
    """
    deadly: list[str] = []
    spans = [(0, len(keys))]
    while spans:
        start, stop = spans.pop()
        trials = DEATHS_ALONE if stop - start == 1 else 1
        for _ in range(trials):
            ((_, outcome),) = work_through(crew, deque([replace(order, only=(start, stop))]))
            if isinstance(outcome, Exception):
                return deadly, outcome
            if outcome is None:
                break
        else:
            if stop - start == 1:
                deadly.append(keys[start])
            else:
                middle = (start + stop) // 2
                spans += [(middle, stop), (start, middle)]
    return sorted(deadly), None
