"""Certificates: templates for a human to complete, what each file is, and an empty redaction log.

Nothing here is signed, and nothing certifies: facts are filled in, and every statement of a person
is left to that person.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.evidence.items import as_json

REDACTION_HEADER = "item,document,bates,region,reason,by,when_utc,sha256_before,sha256_after\r\n"

RULES = {
    "1_method/": "method; read with a qualified witness (FRE 702, 901(b)(9))",
    "2_provenance/": "record of the process (FRE 902(13))",
    "3_items/*/*.native.*": "data copied from a file, identified by sha256 (FRE 902(14))",
    "3_items/*/*.view.jpg": "display copy of the native beside it",
    "3_items/*/side_by_side.jpg": "illustrative aid (FRE 107)",
    "3_items/*/overlay.jpg": "illustrative aid (FRE 107)",
    "3_items/*/difference.jpg": "illustrative aid (FRE 107): heat map of the difference",
    "3_items/*/compared.html": "illustrative aid (FRE 107)",
    "3_items/*/page.html": "illustrative aid (FRE 107)",
    "3_items/*/item.json": "record of the process (FRE 902(13))",
    "3_items/*/attempts.json": "record of the process (FRE 902(13))",
    "4_negatives/": "summary (FRE 1006); what lies under it is in the run and is to be offered",
    "5_review/agreement.json": "summary (FRE 1006)",
    "5_review/reviewer_error.json": "summary (FRE 1006)",
    "5_review/": "record of what reviewers decided (FRE 702: how the method was applied)",
    "6_tables/": "summary (FRE 1006); what lies under it is in the run and is to be offered",
    "7_custody/": "record of custody; each line digests the one before it (FRE 901, 902(13))",
    "8_production/": "load files and copies of the above",
    "9_redaction/": "log of what was withheld",
    "index.html": "illustrative aid (FRE 107)",
    "report.html": "summary (FRE 1006); its pictures and plots: illustrative aids (FRE 107)",
    "report*.pdf": "summary (FRE 1006); its pictures and plots: illustrative aids (FRE 107)",
}
"""Files of a bundle -> what they are; the first pattern that fits counts."""

_HEAD = """\
# {title}

TEMPLATE. Not a certification until a qualified person has checked every statement, completed what
is in square brackets, struck what does not hold, dated and signed it. It is not legal advice. The
executed certification cites the fingerprint and lies beside the bundle, never inside it.

1. I am [name], [role] at [organisation]. My qualifications are: [education, experience, training
   with this program and its methods].
"""

_SYSTEM = """\
2. The records were made by the program palimpsest, run on the case "{case}"
   from {began} to {ended}, by the clock of the machines that ran it. Models under test, by
   sha256 of their files:
{models}
3. In ordinary operation the program asks models for many outputs of known prompts, compares them
   with known works and with control works, and reports which works came back. How it works is
   described in 1_method/methodology.md, and its limits in 1_method/limitations.md.
4. I believe that this process produces an accurate result because [tests that I made or reviewed].
   Error rates of this run are in 1_method/error_rates.json (false discovery rate asked for: {q});
   error rates where the truth is known are in 1_method/validation_report.json. The run made
   {attempts} attempts and reports {items} items; every attempt is in 4_negatives/.
"""

_COPIES = """\
2. The files named *.native.* in 3_items/ ({natives} files) were copied, byte by byte, from the run
   folder of the case "{case}" ({began} to {ended}). The run had taken the works from: [device,
   medium or file; who provided it; when].
3. Digital identification: SHA-256. The program computed the digest of each file when the run read
   or made it, and again when it was copied into this bundle; the two are equal for every file, or
   nothing would have been sealed. item.json states each digest, and manifest-sha256.txt lists it.
4. I compared [how many] files with [their sources] by [command] on [date]; the result was [result].
"""

_FOOT = """\
5. The fingerprint of the bundle, which is the SHA-256 of tagmanifest-sha256.txt, is:
   [64 hexadecimal digits, as printed when the bundle was sealed].
6. Reasonable written notice of the intent to offer the records was given to [party] on [date], and
   the records and this certification were made available for inspection.

I declare under penalty of perjury that the foregoing is true and correct (28 U.S.C. 1746).

Executed on [date]                         [signature of a human; never filled in by a program]
"""


def templates(facts: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of 10_templates, by name.

    Args:
        facts: case, began, ended, models, q, attempts, items, natives.
    """
    known = {
        **facts,
        "models": "".join(f"   - {each}\n" for each in facts["models"]) or "   - none",
    }
    title = "Certification of a record generated by an electronic process, FRE 902(13)"
    copied = "Certification of data copied from an electronic device, medium or file, FRE 902(14)"
    return {
        "FRE_902_13.template.md": (
            _HEAD.format(title=title) + _SYSTEM.format(**known) + _FOOT
        ).encode(),
        "FRE_902_14.template.md": (
            _HEAD.format(title=copied) + _COPIES.format(**known) + _FOOT
        ).encode(),
        "exhibit_type.json": as_json(RULES),
    }
