"""Environment: what a part was made with, written down by the worker that made it.

    run/environments/<sha256>.json    one file for each that was met, named by its own digest

Records name the file, so that 100,000 parts of one machine cost one. Versions are read from the
metadata of installed packages; torch is asked only where the part was made with it. Of the
variables of the process only those listed here are kept, and only values that are numbers or words.
"""

import json
import os
import platform
import re
import sys
import uuid
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.custody import sync_folder

FOLDER = "environments"
"""Folder of these files in a run."""

PACKAGES = (
    *("palimpsest", "torch", "torchvision", "diffusers", "transformers", "tokenizers"),
    *("accelerate", "safetensors", "huggingface_hub", "open_clip_torch", "timm"),
    *("faiss-cpu", "faiss-gpu-cuvs", "numpy", "scipy", "networkx", "pyarrow", "pillow", "pdqhash"),
    *("datasketch", "rapidfuzz", "cryptography", "rfc3161-client", "dask", "distributed"),
    *("triton", "numba", "llvmlite"),
)
"""Packages whose version may change a part or a bundle; what is not installed is left out."""

VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES"),
    *("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "PYTHONHASHSEED"),
)
"""Variables of the process that may change numbers; no other one is ever read here."""

_HARMLESS = re.compile(r"[A-Za-z0-9:,._-]{1,24}")
_ROOMS = ("indexes", "pipeline", "stages")
_CPU_NAME = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def note_environment(root: Path) -> str:
    """Write down what this process works with, and return the digest that names the file."""
    raw = json.dumps(environment(), sort_keys=True, indent=1).encode()
    digest = sha256(raw).hexdigest()
    path = path_of(root, digest)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        with draft.open("xb") as out:
            out.write(raw)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    return digest


def read_environment(root: Path, digest: str) -> dict[str, Any] | None:
    """Return what stands in a file of a run, or None if it is gone or not what it was."""
    try:
        raw = path_of(root, digest).read_bytes()
    except OSError:
        return None
    if sha256(raw).hexdigest() != digest:
        return None
    found: dict[str, Any] = json.loads(raw)
    return found


def path_of(root: Path, digest: str) -> Path:
    """Return where an environment lies."""
    return root / FOLDER / f"{digest}.json"


def environment() -> dict[str, Any]:
    """Return what this process works with, as JSON values."""
    said = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {
        **_machine(),
        "packages": packages(),
        "source_sha256": _source(),
        "torch": _torch(sys.modules.get("torch")),
        "variables": {
            name: value if _HARMLESS.fullmatch(value) else "(not shown)"
            for name, value in said.items()
        },
    }


@lru_cache(maxsize=1)
def packages() -> dict[str, str]:
    """Return the version of each installed package of `PACKAGES`."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=1)
def _machine() -> dict[str, Any]:
    system = os.uname()
    driver = _text("/proc/driver/nvidia/version").partition("\n")[0]
    name = _CPU_NAME.search(_text("/proc/cpuinfo"))
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{system.sysname} {system.release} {system.machine}",
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "cpu": name[1].strip() if name else None,
        "cores": len(os.sched_getaffinity(0)),
        "nvidia_driver": driver or None,
    }


@lru_cache(maxsize=1)
def _source() -> str:
    """Return one digest over the source of this program, which may change without its version."""
    home = Path(__file__).parent.parent
    state = sha256()
    for path in sorted(each for room in _ROOMS for each in (home / room).rglob("*.py")):
        state.update(f"{path.relative_to(home).as_posix()}\0".encode())
        state.update(sha256(path.read_bytes()).digest())
    return state.hexdigest()


def _torch(torch: Any) -> dict[str, Any] | None:
    """Return what torch says of itself; None where it was never imported."""
    if torch is None:
        return None
    on_gpu = bool(torch.cuda.is_available())
    return {
        "version": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if on_gpu else None,
        "gpu": torch.cuda.get_device_name() if on_gpu else None,
        "tf32": bool(torch.backends.cuda.matmul.allow_tf32) if on_gpu else None,
    }


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
