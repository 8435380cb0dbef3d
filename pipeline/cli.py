"""The command `palimpsest`: verbs, arguments and exit codes; the work is done elsewhere.

Nothing heavy is imported here, so that `--help` answers at once.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.arguments import add_erase, add_reproduce

EXIT_CODES = """exit codes:
  0 done    1 failed    2 usage or case error    3 done, but more rows were rejected than the case
  allows    130 interrupted; running again goes on where it stopped
  verify: 0 every question asked is answered yes    1 not intact    2 usage    3 intact, but the
  signer is not known or the time not attested; without --signers and --tsa-root it asks
  INTACT? alone
  reproduce: 0 identical, or within the stated tolerance    1 not    2 usage"""

VERBS: dict[str, tuple[str, str]] = {
    "init": ("write a commented case file", "palimpsest init mycase.yaml"),
    "show": ("print the flow, what is to do, disk and time", "palimpsest show mycase.yaml"),
    "register": (
        "write down what is decided, before anything is made",
        "palimpsest register mycase.yaml",
    ),
    "run": ("do what is still to do, then write the report", "palimpsest run mycase.yaml"),
    "status": ("say how far the run is", "palimpsest status mycase.yaml --json"),
    "report": ("write the report of a finished run again", "palimpsest report mycase.yaml"),
    "lookup": (
        "what of this artist or author came back?",
        'palimpsest lookup "Ada Name" mycase.yaml',
    ),
    "compare-text": (
        "say what of an output stands in a work, from two files",
        "palimpsest compare-text output.txt work.txt --html page.html",
    ),
    "find-text": (
        "say which works of a case hold the words of a text",
        "palimpsest find-text output.txt mycase.yaml",
    ),
    "bundle": (
        "seal findings, every attempt and the method into one folder",
        "palimpsest bundle mycase.yaml --out EB-mycase-20261122-1 --key ~/.ssh/id_ed25519",
    ),
    "verify": (
        "say whether a bundle is intact, its signer known, its time attested",
        "palimpsest verify EB-tiny-20261122-1 --signers allowed_signers --tsa-root tsa-root.pem",
    ),
    "stamp": (
        "ask a timestamp authority when a bundle was signed, and keep its answer in the bundle",
        "palimpsest stamp EB-tiny-20261122-1 --tsa https://tsa.example/ --tsa-root tsa-root.pem",
    ),
    "custody": (
        "show who did what with a run, and check the log against it",
        "palimpsest custody mycase.yaml --bundle EB-mycase-20261122-1",
    ),
    "erase": (
        "take one person's works out of the run, and keep them out",
        'palimpsest erase mycase.yaml --artist "Ada Name" --yes',
    ),
    "reproduce": (
        "make the generation of an item again from what its bundle recorded",
        "palimpsest reproduce EB-mycase-20261122-1 --item 1 --model models/sd",
    ),
    "check": ("read every file again and compare digests", "palimpsest check mycase.yaml"),
    "gc": ("remove superseded parts and litter", "palimpsest gc mycase.yaml"),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    out = argparse.ArgumentParser(
        prog="palimpsest",
        description="Finds the training data that shows through what generative models make.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    out.add_argument("--version", action="version", version=f"palimpsest {_version()}")
    verbs = out.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, (what, example) in VERBS.items():
        verb = verbs.add_parser(
            name,
            help=what,
            description=what[0].upper() + what[1:] + ".",
            epilog=f"example:\n  {example}\n\n{EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in TAKE_NO_CASE:
            TAKE_NO_CASE[name](verb)
            continue
        if name == "lookup":
            verb.add_argument("name", metavar="NAME", help="artist or author, as people write it")
        if name == "find-text":
            verb.add_argument("file", metavar="FILE", help="file of text, or - for standard input")
        if name == "run":
            verb.add_argument(
                "--retry-rejected", action="store_true", help="make rejected rows again"
            )
        if name == "custody":
            verb.add_argument(
                "--bundle",
                metavar="FOLDER",
                action="append",
                default=[],
                help="a bundle of this run: does the log still begin as it did then?",
            )
        verb.add_argument(
            "case", metavar="CASE", nargs="?", help="case file; the only *.yaml here if left out"
        )
        verb.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    return out


def _add_files(verb: argparse.ArgumentParser) -> None:
    """Give a verb two files instead of a case."""
    verb.add_argument("output", metavar="OUTPUT", help="file of what a model wrote")
    verb.add_argument("work", metavar="WORK", help="file of a work")
    verb.add_argument(
        "--prompt", metavar="FILE", help="what the model was given; its words are subtracted"
    )
    verb.add_argument("--html", metavar="PATH", help="write a page with both texts side by side")
    verb.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _add_bundle(verb: argparse.ArgumentParser) -> None:
    """Give a verb a bundle instead of a case."""
    verb.add_argument("bundle", metavar="BUNDLE", help="folder of a bundle; verify: or a zip")
    verb.add_argument(
        "--tsa-root",
        metavar="PEM",
        action="append",
        default=[],
        help="roots of authorities that you know, not from the bundle; none: time is not judged",
    )
    verb.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _add_sealing(verb: argparse.ArgumentParser) -> None:
    """Give `bundle` its arguments."""
    verb.add_argument(
        "case", metavar="CASE", nargs="?", help="case file; the only *.yaml here if left out"
    )
    verb.add_argument("--out", metavar="FOLDER", required=True, help="the bundle; not there yet")
    verb.add_argument("--key", metavar="FILE", help="private key of SSH to seal with")
    verb.add_argument(
        "--signer", metavar="WHO", default="evidence", help="who signs: an address, one word"
    )
    verb.add_argument(
        "--tsa", metavar="URL", action="append", default=[], help="authority; may be repeated"
    )
    verb.add_argument(
        "--tsa-root", metavar="PEM", action="append", default=[], help="roots of the authorities"
    )
    verb.add_argument("--previous", metavar="SHA256", help="fingerprint of the bundle before it")
    verb.add_argument(
        "--bates-prefix", metavar="LETTERS", default="PAL", help="before the digits of a page"
    )
    verb.add_argument("--padding", metavar="N", type=int, default=7, help="digits of a page")
    verb.add_argument(
        "--bom",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="begin the Concordance file with a byte order mark, as most platforms expect",
    )
    verb.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _add_verify(verb: argparse.ArgumentParser) -> None:
    """Give `verify` its arguments."""
    _add_bundle(verb)
    verb.add_argument(
        "--signers", metavar="FILE", help="allowed_signers that you were sent; none: not asked"
    )


def _add_stamp(verb: argparse.ArgumentParser) -> None:
    """Give `stamp` its arguments."""
    _add_bundle(verb)
    verb.add_argument(
        "--tsa", metavar="URL", action="append", required=True, help="authority; may be repeated"
    )
    verb.add_argument(
        "--timeout", metavar="S", type=float, default=30.0, help="seconds to wait for each"
    )
    # not `case`: the only case file of this folder must not be taken for it
    verb.add_argument(
        "--case", metavar="CASE", dest="of_case", help="a case whose custody log is to say so"
    )


TAKE_NO_CASE: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "compare-text": _add_files,
    "bundle": _add_sealing,
    "verify": _add_verify,
    "stamp": _add_stamp,
    "erase": add_erase,
    "reproduce": add_reproduce,
}
"""Verbs that take something else than a case -> what gives them their arguments."""


DOORS = {
    "compare-text": "pipeline.compare_text:compare_text",
    "find-text": "pipeline.find_text:find_text",
    "bundle": "pipeline.evidence.bundling:bundle",
    "verify": "pipeline.evidence.verbs:verify_bundle",
    "stamp": "pipeline.evidence.verbs:stamp_bundle",
    "custody": "pipeline.custody_verb:custody",
    "erase": "pipeline.erase:erase",
    "reproduce": "pipeline.evidence.reproduce:reproduce",
}
"""Verbs that answer for themselves, so that what others need is not imported."""


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("palimpsest")
    except PackageNotFoundError:
        return "unknown"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    asked = parser().parse_args(arguments)
    from pipeline.errors import PalimpsestError

    try:
        found, text, code = _answer(asked)
    except PalimpsestError as error:
        return _fail(asked, str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail(asked, "interrupted; running again goes on where it stopped", 130)
    _print(json.dumps(found, ensure_ascii=False) if asked.json else text)
    return code


def _print(text: str) -> None:
    """Print; a reader that has seen enough, such as `head`, may close the pipe before the end."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # what is left in the buffer would fail once more when the program ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _answer(asked: argparse.Namespace) -> tuple[dict[str, Any], str, int]:
    if asked.verb in DOORS:
        room, name = DOORS[asked.verb].split(":")
        answer = getattr(import_module(room), name)
        found: tuple[dict[str, Any], str, int] = (
            answer(asked, _case_path(asked)) if hasattr(asked, "case") else answer(asked)
        )
        return found
    from pipeline import verbs

    verb: Callable[[Any, Path | None], tuple[dict[str, Any], str, int]] = getattr(verbs, asked.verb)
    return verb(asked, _case_path(asked))


def _fail(asked: argparse.Namespace, message: str, code: int) -> int:
    if asked.json:
        print(json.dumps({"error": message, "exit_code": code}, ensure_ascii=False))
    print(_as_line(message), file=sys.stderr)
    return code


def _as_line(message: str) -> str:
    """Return the message for a person at a terminal, or as a JSON line for a log."""
    if sys.stderr.isatty():
        return f"palimpsest: {message}"
    return json.dumps({"event": "error", "message": message}, ensure_ascii=False)


def _case_path(asked: argparse.Namespace) -> Path | None:
    from pipeline.errors import CaseError

    if asked.case is not None:
        return Path(asked.case)
    if asked.verb == "init":
        return None
    found = sorted([*Path().glob("*.yaml"), *Path().glob("*.yml")])
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise CaseError(f"name the case file: expected one *.yaml in this folder, found {names}")
    return found[0]


if __name__ == "__main__":
    sys.exit(main())
