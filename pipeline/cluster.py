"""Cluster: from a case's `cluster` section to a Dask client whose workers know their threads.

`dask_config.yaml` holds the defaults of the cluster and no knob that changes a result; a user's own
Dask files and DASK_ variables win over it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

BYTES_PER_WORKER = 3 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """Where a run takes place; nothing here changes a result."""

    kind: Literal["local", "address", "inline"] = "local"
    """`local` starts workers on this machine, `address` joins a running scheduler, `inline` runs
    everything in this process, one part after the other, for debugging."""

    workers: int = 0
    """Processes of a local cluster; 0 takes one per GPU, or else one per core as memory allows."""

    threads: int = 0
    """Threads of each worker; 0 shares the cores among the workers."""

    address: str | None = None
    """Scheduler such as `tls://host:8786`; required with `address`. Set up TLS in Dask's own
    configuration: plain TCP lets anyone on the network run code."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """torch device of the workers; `auto` takes a GPU where an NVIDIA driver answers."""

    def __post_init__(self) -> None:
        if self.kind == "address" and not self.address:
            raise ValueError("address: missing; kind `address` needs a scheduler's address")
        for name in ("workers", "threads"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more, found {getattr(self, name)}")


class Crew(NamedTuple):
    """A cluster at work."""

    client: Any
    """`distributed.Client`, or None for `inline`."""

    slots: int
    """Tasks that can run at the same time."""

    threads: int
    """Threads of each."""

    device: str
    """torch device of each."""


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def device_of(config: ClusterConfig) -> str:
    """Return the torch device that workers on this machine will use."""
    if config.device != "auto":
        return config.device
    return "cuda" if Path("/proc/driver/nvidia/version").exists() else "cpu"


def shape_of(config: ClusterConfig) -> tuple[int, int]:
    """Return workers and threads per worker of a local cluster."""
    if config.kind == "inline":
        return 1, config.threads or cores()
    gpus = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    room = max(1, _memory() // BYTES_PER_WORKER)
    most = gpus if gpus and device_of(config) == "cuda" else min(cores(), room)
    workers = config.workers or most
    return workers, config.threads or max(1, cores() // workers)


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextmanager
def open_crew(config: ClusterConfig, logs: Path) -> Iterator[Crew]:
    """Start or join a cluster for the time of a run.

    Args:
        config: section `cluster` of the case.
        logs: folder for what workers and libraries print.
    """
    device = device_of(config)
    if config.kind == "inline":
        yield Crew(None, 1, shape_of(config)[1], device)
        return
    from distributed import Client, LocalCluster

    _update_dask_config(shape_of(config)[1])
    logs.mkdir(parents=True, exist_ok=True)
    if config.kind == "address":
        with Client(config.address) as client:
            client.register_plugin(_plugin(logs))
            workers = client.scheduler_info(n_workers=-1)["workers"].values()
            yield Crew(client, max(1, len(workers)), config.threads or 1, device)
        return
    workers, threads = shape_of(config)
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
            local_directory=str(logs.parent / "scratch"),
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_plugin(logs))
        yield Crew(client, workers, threads, device)


def _plugin(logs: Path) -> Any:
    from distributed import WorkerPlugin

    class Setup(WorkerPlugin):
        """What each worker process does first, also the one that replaces a dead one."""

        name = "palimpsest-setup"

        def setup(self, worker: Any) -> None:
            redirect_output(logs / f"worker-{worker.name}-{os.getpid()}.log")

    return Setup()


def redirect_output(path: Path) -> None:
    """Send everything that this process prints, from C too, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


def _update_dask_config(threads: int) -> None:
    import dask
    import yaml

    here = Path(__file__).parent
    places = (here / "dask_config.yaml", here.parent / "dask_config.yaml")
    path = next(place for place in places if place.exists())
    dask.config.update_defaults(yaml.safe_load(path.read_text()))
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environ = {name: str(threads) for name in names}
    dask.config.set({"distributed.nanny.pre-spawn-environ": environ})
