"""Reproduce: the generation of an item, made again from what its bundle recorded.

The stage that made it makes it again: the same prompt, seed, settings and shape of batch, at the
same place in it. Models are in no bundle; the one that is named has to have the recorded digest.
Where device, libraries and threads are as they were, the bytes have to be as they were; elsewhere
pixels may differ by the tolerance that was sealed with the item, and texts may not differ.
"""

import json
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.case import load
from pipeline.errors import CaseError, RunError
from pipeline.evidence.reproduce_judge import Sealed, as_text, judge, unlike_now
from pipeline.evidence.verify import Trust, verify
from pipeline.parse import located
from stages.contract import Kit, StageError
from stages.images.sample import STAGE as SAMPLE
from stages.images.sample import SampleConfig
from stages.models.files import ModelError, ModelRef, model_digest
from stages.tables import PROMPTS
from stages.text.write import STAGE as WRITE
from stages.text.write import WriteConfig

_ITEM = re.compile(r"(?:ITEM-)?(\d{1,6})")

Answer = tuple[dict[str, Any], str, int]


def reproduce(asked: Namespace) -> Answer:
    """Do what `palimpsest reproduce` asks.

    Raises:
        CaseError: there is no such item, or the model is not the recorded one.
        RunError: the bundle is not intact.
    """
    sealed = read_item(Path(asked.bundle), asked.item)
    if not sealed.making["recorded"]:
        why = sealed.making["why"]
        found = {"item": sealed.name, "verdict": "cannot be reproduced", "why": [why]}
        return found, f"{sealed.name}: cannot be reproduced: {why}", 1
    ref = _model(asked, sealed)
    kit = Kit(device=_device(asked, sealed), threads=asked.threads or sealed.making["threads"])
    if kit.threads < 1:
        raise CaseError(f"--threads {kit.threads}: expected 1 or more")
    try:
        made = make_again(sealed, ref, kit)
    except (StageError, ModelError, ValueError) as error:
        raise CaseError(f"{sealed.name}: cannot be made here: {error}") from error
    found = judge(sealed, made, list(unlike_now(sealed, kit)))
    return found, as_text(found), 0 if found["verdict"] in {"identical", "within"} else 1


def read_item(bundle: Path, number: str) -> Sealed:
    """Return what a bundle has of an item, once every byte of it is known to be as it was sealed.

    Raises:
        CaseError: it is no folder, or there is no such item.
        RunError: the bundle is not intact.
    """
    match = _ITEM.fullmatch(number)
    if match is None:
        raise CaseError(f"--item {number!r}: expected a number, or a name such as ITEM-000001")
    if not bundle.is_dir():
        raise CaseError(f"{bundle}: expected the folder of a bundle")
    if faults := verify(bundle, Trust()).faults:
        first = "; ".join(f"{path}: {what}" for path, what in faults[:3])
        raise RunError(f"{bundle} is not intact, so nothing is made from it: {first}")
    name = f"ITEM-{int(match[1]):06}"
    folder = bundle / "data" / "3_items" / name
    if not folder.is_dir():
        many = len(list(folder.parent.glob("ITEM-*")))
        raise CaseError(f"{bundle}: has {many} items, none of them is {name}")
    said = json.loads((folder / "item.json").read_bytes())
    (native,) = folder.glob("generated.native.*")
    old: dict[str, Any] = {
        "recorded": False,
        "why": "the bundle is of a version that did not say how",
    }
    making: dict[str, Any] = said.get("making") or old
    return Sealed(
        name=name,
        making=making,
        native=native.read_bytes(),
        environment=_recorded(bundle, making.get("environment")),
    )


def _recorded(bundle: Path, digest: str | None) -> Mapping[str, Any] | None:
    path = bundle / "data" / "2_provenance" / "environment.json"
    held = json.loads(path.read_bytes()).get("environments", []) if path.is_file() else []
    for each in held:
        met = each.get("environment")
        if each.get("sha256") == digest and isinstance(met, dict):
            return met
    return None


def _model(asked: Namespace, sealed: Sealed) -> ModelRef:
    """Return the model that has the recorded digest.

    Raises:
        CaseError: none was named, or it is another one.
    """
    wanted, weights = sealed.making["model_id"], sealed.making["weights"]
    if asked.model:
        refs = [ModelRef(path=asked.model, variant=weights)]
    elif asked.of_case:
        path = Path(asked.of_case)
        case = load(path)
        named = [entry.model for entry in case.models.values()]
        named += [entry.model for entry in case.writers.values()]
        refs = [located(ref, path.resolve().parent) for ref in named]
    else:
        raise CaseError(
            f"{sealed.name}: models are in no bundle: name the folder with --model, or a case that"
            f" names it with --case; its digest is {wanted}"
        )
    try:
        digests = [model_digest(ref) for ref in refs]
    except (ModelError, OSError) as error:
        raise CaseError(f"the model cannot be read: {error}") from error
    for ref, digest in zip(refs, digests, strict=True):
        if digest == wanted:
            return ref
    raise CaseError(
        f"{sealed.name} was made by the model {wanted}; found {', '.join(digests) or 'none'}:"
        " another model makes something else, so nothing was made"
    )


def _device(asked: Namespace, sealed: Sealed) -> str:
    if asked.device:
        return str(asked.device)
    recorded = str(sealed.making["device"] or "cpu")
    # a machine without a GPU tries all the same, and says so
    here = Path("/proc/driver/nvidia/version").exists()
    return recorded if recorded == "cpu" or here else "cpu"


def make_again(sealed: Sealed, ref: ModelRef, kit: Kit) -> bytes | None:
    """Return the generation made again: a PNG, or a text as UTF-8; None if nothing came.

    Args:
        sealed: the item.
        ref: a model with the recorded digest.
        kit: device and threads.
    """
    making = sealed.making
    settings = dict(making["settings"])
    place = making["part"]["row"] % settings["batch"]
    rows = PROMPTS.of_rows([{**making["asked"], "block": 0}] * (place + 1))
    stage: Any = WRITE if making["stage"] == WRITE.name else SAMPLE
    config = (WriteConfig if stage is WRITE else SampleConfig)(model=ref, **settings)
    wanted = stage.reads["prompts"].names
    out = stage.run({"prompts": rows.select(list(wanted))}, stage.open(config, kit))
    return _last(out.rows, making["made_id"])


def _last(rows: pa.Table, made_id: str) -> bytes | None:
    if not rows.num_rows:
        return None
    row = rows.slice(rows.num_rows - 1).to_pylist()[0]
    found = row.get("image_id") or row["output_id"]
    if found != made_id:
        raise CaseError(f"the recorded settings make {found}, and the item is {made_id}")
    raw: bytes = row["bytes"] if "bytes" in row else (row["text"] or "").encode()
    return raw
