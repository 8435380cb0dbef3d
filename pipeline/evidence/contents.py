"""Contents: everything under data/ of a bundle, in one order, file by file.

    index.html report.html report.pdf report-vol001.pdf ... ro-crate-metadata.json
    1_method 2_provenance 3_items 4_negatives 5_review 6_tables 7_custody 8_production 9_redaction
    10_templates

The same run gives the same bytes, whoever builds it and whenever, but for 7_custody: dates come
from the records of the run, and nothing from the machine that seals.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.evidence.bag import SealError
from pipeline.evidence.bates import Numbering, Register
from pipeline.evidence.certificates import REDACTION_HEADER, templates
from pipeline.evidence.crate import crate
from pipeline.evidence.item_page import index_page
from pipeline.evidence.items import as_json, items, name_of
from pipeline.evidence.material import Material
from pipeline.evidence.method import denominators, method, shown, standing_of
from pipeline.evidence.production import VOLUME, Volume
from pipeline.evidence.provenance import as_text, provenance, span_of
from pipeline.evidence.qc import Held, check_held
from pipeline.evidence.report_html import NAME as REPORT
from pipeline.evidence.report_html import report_html
from pipeline.evidence.report_pdf import STANDING, Printer, volumes
from pipeline.evidence.review_files import review_files, summary
from pipeline.evidence.safe import Guard
from pipeline.evidence.tables_out import tables
from pipeline.report_standing import StandingSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentOptions:
    """What of a bundle can be chosen."""

    numbering: Numbering = field(default_factory=Numbering)
    """What Bates numbers look like."""

    bom: bool = True
    """True: the Concordance file begins with a byte order mark."""


def contents(
    material: Material, register: Register, options: ContentOptions, scratch: Path
) -> Iterator[tuple[str, bytes | Path]]:
    """Yield path and content of every file under data/.

    Args:
        material: the run.
        register: Bates numbers; the caller keeps it once the bundle is sealed.
        options: what can be chosen.
        scratch: an empty folder; files in it are yielded as paths, to be copied at once.

    Raises:
        RunError: a file holds a secret of the environment.
        SealError: the production has a defect.
        StoreError: a native is not the file that the run recorded.
    """
    guard = Guard()
    for path, content in _everything(material, register, options, scratch):
        guard.check(path, content)
        yield path, content


def _everything(
    material: Material, register: Register, options: ContentOptions, scratch: Path
) -> Iterator[tuple[str, bytes | Path]]:
    standing = standing_of(material)
    numbers = denominators(material)
    facts = _facts(material, numbers)
    papers = {"volumes": volumes(facts["items"]), "pdfs": STANDING}
    review = {"review": summary(material.reviews, list(_names(material)))}
    yield (
        "index.html",
        index_page({**facts, **_said(standing, numbers), **review, **papers}, _rows(material)),
    )
    yield "ro-crate-metadata.json", crate(facts)
    yield from _under("1_method", method(material, standing))
    yield from _under("2_provenance", provenance(material))
    volume = Volume(register, facts["ended"][:10], bom=options.bom)
    with Printer(scratch, facts) as printer:
        page = report_html(material)
        yield REPORT, page
        yield from printer.report(page)
        for item in items(material):
            yield from _under(f"3_items/{item.name}", item.files)
            for path, raw in volume.add(item):
                yield f"8_production/{path}", raw
            yield from printer.add(item, _bates(volume))
        yield from printer.rest()
    yield "4_negatives/denominators.json", as_json(numbers)
    yield from _under("5_review", review_files(material.reviews, _names(material)))
    yield from tables(material.store, scratch)
    yield from _under("7_custody", material.custody.files)
    yield from _load_files(volume)
    yield "9_redaction/redaction_log.csv", REDACTION_HEADER.encode()
    yield from _under("10_templates", templates(facts))


def _bates(volume: Volume) -> str:
    """Return the numbers of the item that was added last."""
    first, many = volume.used[-1]
    show = volume.register.numbering.show
    return f"{show(first)} to {show(first + many - 1)}"


def _load_files(volume: Volume) -> Iterator[tuple[str, bytes]]:
    loads = volume.load_files()
    held = Held(
        sizes={path: size for path, (_, size) in volume.held.items()},
        digest=lambda path: volume.held[path][0],
        read=lambda path: loads[path],
    )
    defects = check_held(held, VOLUME, volume.register.numbering.prefix)
    if defects:
        first = "; ".join(f"{one.code} {one.where}: {one.what}" for one in defects[:3])
        raise SealError(f"the production has {len(defects)} defects: {first}")
    yield from _under("8_production", loads)
    yield "8_production/QC_REPORT.json", as_json({"documents": len(volume.rows), "defects": []})


def _under(folder: str, files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for name in sorted(files):
        yield f"{folder}/{name}", files[name]


def _facts(material: Material, numbers: Mapping[str, Any]) -> dict[str, Any]:
    began, ended = (as_text(moment) for moment in span_of(material.store))
    project = material.project
    models = [
        f"{name}: {project.models[config.model]}"
        for asked in (project.case.models, project.case.writers)
        for name, config in asked.items()
    ]
    tried = (numbers["attempts_images"], numbers["attempts_texts"])
    return {
        "case": project.case.name,
        "setting": project.case.setting,
        "q": project.case.assess.q,
        "began": began,
        "ended": ended,
        "models": models,
        "items": len(material.items),
        "natives": 2 * len(material.items),
        "attempts": sum(sum(each.values()) for each in tried),
        "reviewed": material.reviews.took_place,
    }


def _said(standing: StandingSummary, numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "lists": [
            {
                "name": one.name,
                "units": one.units,
                "controls": one.controls,
                "standing_out": one.standing_out,
                "expected_false": one.expected_false,
                "limit": one.limit["sentence"] if one.limit else "not measured",
            }
            for one in standing.lists
            if one.primary
        ],
        "denominators": shown(numbers),
    }


def _names(material: Material) -> dict[str, str]:
    """Return the name of the item of each finding, in order."""
    numbered = enumerate(material.items, start=1)
    return {row["finding_id"]: name_of(number) for number, row in numbered}


def _rows(material: Material) -> list[dict[str, Any]]:
    return [
        {"name": name_of(number), "work": row["work_id"]}
        | {name: row[name] for name in ("verdict", "k", "n", "q")}
        for number, row in enumerate(material.items, start=1)
    ]
