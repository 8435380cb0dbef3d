"""Runtime of torch: threads, reproducible arithmetic and quiet libraries; once per opened model."""

from typing import Any

from stages.contract import Kit


def prepare(kit: Kit) -> Any:
    """Set torch up for this worker and return its `torch.device`.

    Args:
        kit: device and threads of the worker; a worker of Dask starts with one thread otherwise.

    Raises:
        ValueError: the device is not there.
    """
    import torch

    device = torch.device(kit.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {kit.device}: torch sees no GPU; use `cpu`")
    torch.set_num_threads(kit.threads)
    # TF32 keeps 10 bits of the mantissa, and cuDNN's search picks kernels by the clock:
    # either would let the same seed give other bytes on the same machine
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return device


def quiet() -> None:
    """Switch off the progress bars and the advice of diffusers and transformers."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()
