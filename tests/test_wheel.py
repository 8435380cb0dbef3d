"""The wheel works outside the checkout: templates and data are inside it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and unpack it, as pip does with a pure one."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(folder / "site")
    return folder / "site"


def test_wheel_holds_code_templates_and_cluster_defaults_and_nothing_else(installed: Path) -> None:
    tops = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"pipeline", "stages", "indexes"}
    assert (installed / "pipeline" / "dask_config.yaml").exists()
    assert list((installed / "pipeline" / "templates").glob("*.j2"))
    assert (installed / "pipeline" / "validation" / "validation_report.json").exists()


def test_installed_wheel_runs_elsewhere(installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import pipeline.cli as c\n"
        "assert str(Path(c.__file__)).startswith(sys.argv[1]), c.__file__\n"
        "assert c.main(['init', 'mine.yaml']) == 0\n"
        "from pipeline import cluster, report_page, report_proof\n"
        "assert report_proof.load_proof()['rows']\n"
        "cluster._update_dask_config(1)\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-P", "-c", code, str(installed)]
    subprocess.run(command, cwd=tmp_path, env=environ, check=True)
    assert (tmp_path / "mine.yaml").exists()
