import re
from pathlib import Path

from pipeline.cli import VERBS
from pipeline.flow import FLOW
from pipeline.steps import describe

ROOT = Path(__file__).parents[1]


def block(path: str, language: str) -> str:
    text = (ROOT / path).read_text(encoding="utf-8")
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found.group(1).strip()


def test_architecture_shows_the_flow_as_the_program_prints_it() -> None:
    assert block("ARCHITECTURE.md", "flow") == describe(FLOW)


def test_readme_commands_are_targets_and_ci_calls_the_tests_of_the_readme() -> None:
    commands = block("README.md", "sh").splitlines()
    makefile = (ROOT / "Makefile").read_text()
    for command in commands:
        assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE)
    assert "make test" in commands
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_every_verb_is_documented_with_an_example() -> None:
    documents = (ROOT / "README.md").read_text() + (ROOT / "CHANGELOG.md").read_text()
    for verb, (_, example) in VERBS.items():
        assert re.search(rf"\b{verb}\b", documents)
        assert example.startswith(f"palimpsest {verb}")


def test_every_module_of_the_flow_has_its_room_in_architecture() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for step in FLOW:
        assert step.run.name in text
