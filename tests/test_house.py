import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("pipeline", "stages", "indexes")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
SILENCERS = ("no" + "qa", "type: " + "ignore", "pragma: no " + "cover")
MOST_LINES = 300
ONE_LIST = ("tables.py", "flow.py")  # every table, every step in one file is the point of it


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module_says_what_it_is_and_silences_nothing(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= MOST_LINES or path.name in ONE_LIST
    for silencer in SILENCERS:
        assert silencer not in text


def test_tests_silence_nothing() -> None:
    for path in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]:
        for silencer in SILENCERS:
            assert silencer not in path.read_text(), path


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "import pipeline.cli; pipeline.cli.parser()",
            ["torch", "distributed", "pyarrow", "numpy"],
        ),
        ("import pipeline.verbs", ["torch", "distributed", "faiss", "diffusers", "scipy"]),
        ("import pipeline.runner", ["torch", "distributed", "faiss", "diffusers"]),
    ],
)
def test_starting_imports_nothing_heavy(code: str, absent: list[str]) -> None:
    check = f"{code}\nimport sys\nprint([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
