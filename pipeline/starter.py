"""Starter: a commented case, written from the dataclasses so that it cannot grow stale."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from pipeline.case import Case

HEAD = """\
# A case of Palimpsest: what to examine and how. Paths are relative to this file.
# Below, behind `#`, stands every knob with its default. `palimpsest show` says what a run would do.

name: {name}
setting: matched          # randomised, matched or portfolio: how the controls arose

train:                    # what the model may have learnt from
  sources:
    - path: train         # folder of images, WebDataset tars, or Parquet with image bytes
control:                  # works of the same kind that the model cannot have seen
  sources:
    - path: control

models:
  model:                  # a short name of your choice
    model: {{path: model}}  # a diffusers folder, or {{hub: id, revision: commit}}

embed:
  model: {{path: clip}}     # an open_clip folder, or {{hub: id, revision: commit}}

prompts:
  run_seed: 1

# Texts, beside the images or instead of them (then leave out all above but name and setting):
# train_texts:            # what a language model may have learnt from
#   sources:
#     - path: books       # folder of .txt, .md, .html and .pdf, JSON lines, or Parquet
# control_texts:          # as many texts of the same kind that it cannot have seen
#   sources:
#     - path: control.jsonl
# outputs:                # what it wrote elsewhere: prompt, output, model, attempt; failures too
#   sources:
#     - path: outputs.jsonl
# writers:                # or a model on this machine, which is given beginnings of the texts
#   writer:
#     model: {{path: gpt}}  # a transformers folder
"""


def starter_case(name: str) -> str:
    """Return the text of a new case with every knob explained."""
    lines = [HEAD.format(name=yaml.safe_dump(name).splitlines()[0]), "# ---- every knob ----", "#"]
    lines += [f"# {line}".rstrip() for line in _explain(Case, 0, set())]
    return "\n".join(lines) + "\n"


def _explain(record: Any, depth: int, told: set[Any]) -> Iterator[str]:
    margin = "  " * depth
    notes = field_docs(record)
    hints = get_type_hints(record)
    for described in fields(record):
        note = " ".join(notes.get(described.name, "").split())
        yield from (f"{margin}# {line}" for line in textwrap.wrap(note, 88 - len(margin)))
        inner, entry = _record_in(hints[described.name])
        if inner is None:
            yield f"{margin}{described.name}: {_shown(_default(described))}"
        elif not fields(inner):
            yield f"{margin}{described.name}: {{}}"
        else:
            yield f"{margin}{described.name}:"
            yield from [f"{margin}  {entry}"] if entry else []
            deeper = depth + (2 if entry else 1)
            if inner in told:
                yield "  " * deeper + "# the knobs of a section above of the same kind"
            else:
                told.add(inner)
                yield from _explain(inner, deeper, told)


def _record_in(hint: Any) -> tuple[Any, str]:
    """Return the dataclass that a field holds, and how one of several entries begins."""
    if is_dataclass(hint):
        return hint, ""
    inside = [option for option in get_args(hint) if is_dataclass(option)]
    if not inside:
        return None, ""
    return inside[0], {Mapping: "NAME:", tuple: "-"}.get(get_origin(hint), "")


def _default(described: Any) -> Any:
    if described.default is not MISSING:
        return described.default
    return described.default_factory() if described.default_factory is not MISSING else MISSING


def _shown(default: Any) -> str:
    if default is MISSING:
        return "(required)"
    plain = list(default) if isinstance(default, tuple) else default
    text: str = yaml.safe_dump(plain, default_flow_style=True)
    return text.removesuffix("...\n").strip()


@cache
def field_docs(record: type) -> dict[str, str]:
    """Return the docstring under each field of a dataclass.

    >>> "seed" in field_docs(Case) or field_docs(Case)["name"].startswith("Short name")
    True
    """
    body = ast.parse(textwrap.dedent(inspect.getsource(record))).body[0]
    found, last = {}, ""
    for node in body.body if isinstance(body, ast.ClassDef) else []:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last:
            found[last] = str(node.value.value)
            last = ""
    return found
