"""Read outputs: what somebody else had a language model write, the attempts that failed too."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from stages.contract import MapStage, Out, Rejected, only_config, whole
from stages.prompt_ids import prompt_id_of
from stages.sources.decoding import decode, storable
from stages.sources.fields import stated, text_of
from stages.sources.parquet import Row, main_of
from stages.sources.places import File, files_of, id_of, place_of
from stages.sources.refused import RefusedError, with_own_keys
from stages.tables import FILES, OUTPUTS
from stages.text.read_rows import bytes_of, missing, rows_of
from stages.text.sources import OutputSource

IMPORTED = "imported"
"""Model of outputs whose model is not named, and what precedes the name of one that is: nobody can
say which files wrote them."""

_MAX_ATTEMPT = 2**31 - 1
_MAX_SEED = 2**64 - 1
_HALVES = ("train", "control")
_MAX_DIGITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputsConfig:
    """Knobs of the read_outputs stage."""

    sources: tuple[OutputSource, ...] = ()
    """Places with outputs. Append new ones at the end: the number of a source is part of the id of
    each of its outputs."""

    max_bytes: int = 1 << 26
    """Largest output or line, in bytes, at least 1; longer ones are rejected. The default, 64 MiB,
    is a thousand times what models write at once."""

    dataset: str = ""
    """Name of the set, part of the id of each output. Left empty, the case fills in the name of its
    section."""

    def __post_init__(self) -> None:
        if self.max_bytes < 1:
            raise ValueError(f"max_bytes: expected 1 or more bytes, got {self.max_bytes}")


def read_outputs(inputs: Mapping[str, pa.Table], config: OutputsConfig) -> Out:
    """Return the attempts in the listed files, also those that gave nothing.

    All of them are judged (`confirmation`). Where no attempt is numbered its number comes from its
    place: it is stable, but does not count from 0.

    Args:
        inputs: files: FILES.
        config: what the sources call our columns.

    Returns:
        OUTPUTS in the order of the files and of their rows; `set` is the file, `output_id` says
        where the row came from. Rejected, by place: what cannot be read (`unreadable`, `outside`,
        `truncated`, `not-json`, `too-large`), rows without any column for outputs (`no-output`),
        places listed twice (`repeated`).

    Raises:
        StageError: a Parquet file lacks a column.
        OSError: the disk failed; trying again may help.
    """
    rows, rejected, seen = list[Mapping[str, Any]](), list[Rejected](), set[str]()
    for file in files_of(inputs["files"], config):
        for item in rows_of(file):
            if isinstance(item, Rejected):
                rejected.append(item)
                continue
            output_id = id_of(config.dataset, file.source, file.path, "", item.number)
            try:
                rows.append(_output(file, item, output_id, seen))
            except RefusedError as error:
                place = place_of(file, row=item.number)
                rejected.append(Rejected(place, error.code, str(error)))
            seen.add(output_id)
    return Out(OUTPUTS.of_rows(rows), with_own_keys(rejected))


def _output(file: File, row: Row, output_id: str, seen: set[str]) -> Mapping[str, Any]:
    if output_id in seen:
        raise RefusedError("repeated", "the same place a second time; the first is kept")
    said = {name: stated(row.values, file.columns, name) for name in file.columns.layout.fields}
    text, failure = _text_and_failure(file, row, said["failure"])
    prompt, context = kept(said["prompt"]), kept(said["context"])
    name = text_of(said["model"])
    work_id, half = text_of(said["work_id"]), text_of(said["half"])
    return {
        "output_id": output_id,
        "set": place_of(file),
        "model_id": f"{IMPORTED}:{name}" if name else IMPORTED,
        "prompt_id": prompt_id_of(text=prompt, context=context),
        "sample": _number(said["attempt"], _MAX_ATTEMPT, int(output_id[:8], 16) >> 1),
        "phase": "confirmation",
        "seed": _number(said["seed"], _MAX_SEED, None),
        "settings": settings_of(said["settings"]),
        "prompt": prompt,
        "context": context,
        "text": text,
        "failure": failure,
        "work_id": work_id,
        "half": half if half in _HALVES else None,
        "origin": "file",
        "num_tokens": None,
        "suffix_logprob": None,
        "suffix_tokens": None,
    }


def _text_and_failure(file: File, row: Row, stated_: Any) -> tuple[str | None, str | None]:
    main = main_of(list(row.values), file.columns)
    value = row.values.get(main)
    failure = kept(stated_) if stated_ else None
    if value is not None and not isinstance(value, str | bytes):
        raise RefusedError("no-output", missing(main, value, {}))
    if main not in row.values and failure is None:
        raise RefusedError("no-output", missing(main, None, row.values))
    if value is not None and len(bytes_of(value)) > file.max_bytes:
        raise RefusedError("too-large", f"longer than {file.max_bytes} bytes, the limit")
    text = kept(value) or ""
    return (text, failure) if text.strip() else (None, failure or "the output is empty")


def kept(value: Any) -> str | None:
    r"""Return a value as text that can be stored, otherwise untouched; None for nothing.

    >>> kept("a\x00 "), kept([{"role": "user", "content": "b"}]), kept(None)
    ('a\x00 ', '[{"content":"b","role":"user"}]', None)
    """
    if value is None:
        return None
    if isinstance(value, str | bytes):
        return decode(bytes_of(value), "utf-8").text
    return canonical(value)


def settings_of(value: Any) -> str:
    """Return settings as canonical JSON; text that is JSON is taken for what it says.

    >>> settings_of({"top_p": 1.0, "n": 2}), settings_of(' {"n": 2}'), settings_of("greedy")
    ('{"n":2,"top_p":1.0}', '{"n":2}', '"greedy"')
    >>> settings_of(None)
    '{}'
    """
    if isinstance(value, str | bytes):
        text = kept(value) or ""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text.strip() or None
    return "{}" if value is None else canonical(value)


def canonical(value: Any) -> str:
    """Return JSON with sorted keys and no spaces; what JSON does not know is text."""
    try:
        return storable(_json(value))
    except (TypeError, ValueError):  # keys of several kinds, or numbers that are none
        return storable(_json(str(value)))


def _json(value: Any) -> str:
    return json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        default=str,
    )


def _number(value: Any, most: int, otherwise: int | None) -> int | None:
    """Return a whole number from 0 to a limit, or something else where none is stated."""
    text = text_of(value.decode("ascii", "replace") if isinstance(value, bytes) else value)
    digits = (text or "").strip().removesuffix(".0")
    fits = digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS
    number = int(digits) if fits else -1
    return number if 0 <= number <= most else otherwise


STAGE = MapStage(
    name="read_outputs",
    reads={"files": whole(FILES)},
    writes=OUTPUTS,
    config=OutputsConfig,
    open=only_config,
    run=read_outputs,
)
