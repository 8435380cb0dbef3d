"""Parse: plain YAML values to frozen dataclasses; nothing is guessed.

An unknown key, a wrong type or an impossible value is an error that names the key, what was found,
what was expected and the nearest valid key.
"""

import difflib
import math
import types
import typing
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import yaml

from pipeline.errors import CaseError
from pipeline.identity import marked

SHOWN_CHARACTERS = 60


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, where YAML would silently keep the last."""


def _unique_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise yaml.YAMLError(f"key {key!r} is given twice, line {line}")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_yaml(text: str) -> Any:
    """Return the one document of a YAML text.

    Raises:
        yaml.YAMLError: the text is not YAML, or a key is given twice.
    """
    loader = _UniqueKeyLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def parse(found: Any, wanted: Any, *, at: str = "") -> Any:
    """Return a YAML value as the wanted type.

    Args:
        found: what YAML gave.
        wanted: a dataclass, Literal, tuple, Mapping, union or plain type.
        at: dotted key, for messages.

    Raises:
        CaseError: the value does not fit.
    """
    if is_dataclass(wanted):
        return _parse_record(found, typing.cast("type", wanted), at)
    origin = get_origin(wanted)
    parser = _PARSERS.get(origin)
    if parser is not None:
        return parser(found, get_args(wanted), at)
    return _parse_plain(found, wanted, at)


def _parse_record(found: Any, wanted: type, at: str) -> Any:
    if not isinstance(found, dict):
        raise CaseError(f"{at or 'case'}: expected keys and values, found {_shown(found)}")
    hints = typing.get_type_hints(wanted, include_extras=True)
    known = {f.name: f for f in fields(wanted)}
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
            hint = f"; the nearest valid key is {near[0]!r}" if near else ""
            raise CaseError(f"{_join(at, key)}: unknown key{hint}; valid keys: {', '.join(known)}")
    for name, described in known.items():
        required = described.default is MISSING and described.default_factory is MISSING
        if required and name not in found:
            raise CaseError(f"{_join(at, name)}: missing; {_expected(hints[name])} is required")
    values = {key: parse(value, hints[key], at=_join(at, key)) for key, value in found.items()}
    try:
        return wanted(**values)
    except ValueError as error:
        said = str(error).removeprefix(f"{at}.")
        raise CaseError(_join(at, said)) from error


def _parse_union(found: Any, options: tuple[Any, ...], at: str) -> Any:
    if found is None and type(None) in options:
        return None
    rest = [option for option in options if option is not type(None)]
    if len(rest) == 1:
        return parse(found, rest[0], at=at)
    for option in rest:
        try:
            return parse(found, option, at=at)
        except CaseError:
            continue
    wanted = " or ".join(_expected(option) for option in rest)
    raise CaseError(f"{at}: expected {wanted}, found {_shown(found)}")


def _parse_tuple(found: Any, options: tuple[Any, ...], at: str) -> Any:
    if not isinstance(found, list):
        raise CaseError(f"{at}: expected a list, found {_shown(found)}")
    if options[-1] is Ellipsis:
        options = (options[0],) * len(found)
    if len(options) != len(found):
        raise CaseError(f"{at}: expected {len(options)} values, found {len(found)}")
    return tuple(
        parse(value, option, at=f"{at}[{i}]")
        for i, (value, option) in enumerate(zip(found, options, strict=True))
    )


def _parse_mapping(found: Any, options: tuple[Any, ...], at: str) -> Any:
    if not isinstance(found, dict):
        raise CaseError(f"{at}: expected keys and values, found {_shown(found)}")
    return {str(key): parse(value, options[1], at=_join(at, key)) for key, value in found.items()}


def _parse_literal(found: Any, options: tuple[Any, ...], at: str) -> Any:
    if found not in options:
        near = difflib.get_close_matches(str(found), [str(o) for o in options], n=1, cutoff=0.0)
        hint = f"; the nearest is {near[0]!r}" if near else ""
        words = ", ".join(str(option) for option in options)
        raise CaseError(f"{at}: expected one of {words}, found {_shown(found)}{hint}")
    return found


def _parse_annotated(found: Any, options: tuple[Any, ...], at: str) -> Any:
    return parse(found, options[0], at=at)


def _parse_plain(found: Any, wanted: Any, at: str) -> Any:
    if wanted is float and isinstance(found, int) and not isinstance(found, bool):
        return float(found)
    if not isinstance(found, wanted) or (isinstance(found, bool) and wanted is not bool):
        raise CaseError(f"{at}: expected {_expected(wanted)}, found {_shown(found)}")
    if wanted is float and not math.isfinite(found):
        raise CaseError(f"{at}: expected a finite number, found {found}")
    return found


_PARSERS: dict[Any, Any] = {
    typing.Union: _parse_union,
    types.UnionType: _parse_union,
    tuple: _parse_tuple,
    Mapping: _parse_mapping,
    typing.get_origin(Mapping[str, str]): _parse_mapping,
    Literal: _parse_literal,
    Annotated: _parse_annotated,
}

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _expected(wanted: Any) -> str:
    return _WORDS.get(wanted, getattr(wanted, "__name__", str(wanted)))


def _shown(found: Any) -> str:
    if found is None:
        return "nothing"
    text = repr(found)
    kind = _WORDS.get(type(found), type(found).__name__)
    return f"{text[:SHOWN_CHARACTERS]}{'...' if len(text) > SHOWN_CHARACTERS else ''} ({kind})"


def _join(at: str, key: Any) -> str:
    return f"{at}.{key}" if at else str(key)


def located(value: Any, folder: Path) -> Any:
    """Return a config with every path made absolute.

    A case keeps its paths as written, so that identities do not change when the folder moves; a
    stage gets them absolute.

    Args:
        value: a frozen dataclass, or what its fields may hold.
        folder: folder of the case file.
    """
    if is_dataclass(value) and not isinstance(value, type):
        hints = get_type_hints(type(value), include_extras=True)
        found = {}
        for f in fields(value):
            item = getattr(value, f.name)
            at_path = marked(hints[f.name], "path") and item is not None
            found[f.name] = str(folder / item) if at_path else located(item, folder)
        return replace(value, **found)
    if isinstance(value, tuple):
        return tuple(located(item, folder) for item in value)
    if isinstance(value, Mapping):
        return {key: located(item, folder) for key, item in value.items()}
    return value
