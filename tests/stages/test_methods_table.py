import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from stages.methods.table import METHODS, Method

ROOM = Path(__file__).parents[2] / "stages" / "methods"


@pytest.mark.parametrize("name", METHODS)
def test_every_line_names_a_function_that_names_its_source(name: str) -> None:
    found = METHODS[name].load()
    assert inspect.getdoc(found)
    assert "Source:" in Path(inspect.getfile(found)).read_text(), "a method cites its paper"


@pytest.mark.parametrize(("name", "method"), METHODS.items())
def test_every_line_is_well_formed(name: str, method: Method) -> None:
    assert name.isidentifier()
    assert method.compares in {"between", "training", "triage"}
    assert method.closer in {"larger", "smaller"}
    assert method.needs == " ".join(method.needs.split()) != ""
    assert method.source
    assert method.verdict in {None, "verbatim", "template", "partial", "low_diversity"}


@pytest.mark.parametrize("name", [name for name, m in METHODS.items() if m.compares == "triage"])
def test_triage_never_makes_a_verdict(name: str) -> None:
    assert METHODS[name].verdict is None


@pytest.mark.parametrize("name", [name for name, m in METHODS.items() if m.compares == "between"])
def test_generations_among_themselves_say_nothing_about_the_training_set(name: str) -> None:
    assert METHODS[name].verdict in {None, "low_diversity"}


@pytest.mark.parametrize("verdict", ["verbatim", "template", "partial", "low_diversity"])
def test_every_verdict_has_a_method(verdict: str) -> None:
    assert any(method.verdict == verdict for method in METHODS.values())


def test_a_line_without_a_module_cannot_be_loaded() -> None:
    wrong = METHODS["l2"]._replace(function="l3:to_each")
    with pytest.raises(ModuleNotFoundError, match="l3"):
        wrong.load()


def test_the_table_is_in_its_room() -> None:
    for method in METHODS.values():
        assert (ROOM / f"{method.function.partition(':')[0]}.py").is_file()


def test_a_case_can_look_names_up_without_anything_heavy() -> None:
    heavy = "[name for name in ('numpy', 'torch') if name in sys.modules]"
    code = f"import sys, stages.methods.table; print({heavy})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOM.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
