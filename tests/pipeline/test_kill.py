"""SIGKILL of any process at random moments, and running again, ends in the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.store import Store
from pipeline.upkeep import damaged
from tests.pipeline.toy import FLOW, AnswerConfig, ToyCase, contents, run_toy, write_numbers

ROOT = Path(__file__).parents[2]
NUMBERS = {f"{name}.txt": f"{i}\n{i + 10}\n" for i, name in enumerate("abcdefgh")}
SLOW_S = 0.02


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.pipeline.toy", str(folder), str(SLOW_S)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        driver = psutil.Process(process.pid)
        return [driver, *driver.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    folder = tmp_path_factory.mktemp("calm")
    write_numbers(folder, NUMBERS)
    for name in NUMBERS:
        os.utime(folder / "numbers" / name, (0, 0))
    run_toy(folder, ToyCase(answer=AnswerConfig(seconds=SLOW_S)))
    return contents(folder)


def test_killed_at_random_moments_ends_in_the_same_bytes(
    tmp_path: Path, expected: list[tuple[str, str, str]]
) -> None:
    write_numbers(tmp_path, NUMBERS)
    for name in NUMBERS:
        os.utime(tmp_path / "numbers" / name, (0, 0))
    dice = random.Random(7)
    kills = 0
    for _ in range(8):
        process = start(tmp_path)
        deadline = time.monotonic() + dice.uniform(0.3, 6.0)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        victims = family(process)
        if victims and process.poll() is None:
            victim = victims[0] if dice.random() < 0.6 else dice.choice(victims)
            victim.send_signal(signal.SIGKILL)
            kills += 1
            if victim.pid == process.pid:
                process.wait()  # its workers live on for a while: the next run starts beside them
                continue
        process.wait(timeout=120)
    process = start(tmp_path)
    assert process.wait(timeout=120) == 0
    assert kills > 0
    assert contents(tmp_path) == expected
    assert damaged(Store(tmp_path / "run"), [step.writes for step in FLOW]).wrong == []


def test_a_row_that_kills_its_worker_is_found_and_rejected_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    write_numbers(tmp_path, NUMBERS)
    code = (
        "import sys; from pathlib import Path; from tests.pipeline.toy import *\n"
        "case = ToyCase(answer=AnswerConfig(deadly=13), ask=AskConfig(tries=2, block=2),"
        " cluster=ClusterConfig(workers=2, threads=1))\n"
        "if __name__ == '__main__':\n"
        "    try:\n        run_toy(Path(sys.argv[1]), case)\n"
        "    except Exception as error:\n        print(error)\n"
    )
    script = tmp_path / "deadly.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "a question was cut in two: {'13'}" in done.stdout, done.stderr
    store = Store(tmp_path / "run")
    answers = store.current("made.answers")
    assert sum(record.rejected for record in answers) == 2
    assert sum(part.rows for record in answers for part in record.parts) == 15 * 2
    (deadly,) = [record.facts["deadly"] for record in answers if record.rejected]
    assert deadly == ["13/0/0", "13/0/1"]
