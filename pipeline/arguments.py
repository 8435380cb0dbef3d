"""Arguments of verbs that have many; nothing heavy is imported here."""

from argparse import ArgumentParser


def add_erase(verb: ArgumentParser) -> None:
    """Give `erase` its arguments."""
    verb.add_argument(
        "case", metavar="CASE", nargs="?", help="case file; the only *.yaml here if left out"
    )
    whose = verb.add_mutually_exclusive_group(required=True)
    whose.add_argument(
        "--artist", metavar="NAME", default="", help="every work of this artist or author"
    )
    whose.add_argument(
        "--work",
        metavar="ID",
        action="append",
        default=[],
        help="one work, by its id or that of one of its images or texts; may be repeated",
    )
    whose.add_argument(
        "--file", metavar="LIST", help="works by id or by sha256 of their files, one a line"
    )
    verb.add_argument("--yes", action="store_true", help="do it; else it is only said")
    verb.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def add_reproduce(verb: ArgumentParser) -> None:
    """Give `reproduce` its arguments."""
    verb.add_argument("bundle", metavar="BUNDLE", help="folder of a bundle")
    verb.add_argument(
        "--item", metavar="N", required=True, help="number of the item, or ITEM-000001"
    )
    where = verb.add_mutually_exclusive_group()
    where.add_argument("--model", metavar="FOLDER", help="where the model lies on this machine")
    # not `case`: the only case file of this folder must not be taken for it
    where.add_argument("--case", metavar="CASE", dest="of_case", help="a case that names the model")
    verb.add_argument("--device", metavar="NAME", help="cpu or cuda; as recorded if left out")
    verb.add_argument(
        "--threads", metavar="N", type=int, help="threads of the processor; as recorded"
    )
    verb.add_argument("--json", action="store_true", help="print one JSON object on stdout")
