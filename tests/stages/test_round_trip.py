"""Round trip: what the encoder of a model leaves of a picture."""

from pathlib import Path

import numpy as np
import pytest

from stages.contract import Kit
from stages.models.layout import ModelError
from stages.models.round_trip import open_round_trip
from tests.stages.tiny_models import save


def test_a_latent_model_gives_a_picture_of_its_own_size_back(tmp_path: Path) -> None:
    folder = save("sd1", tmp_path / "sd1")
    rgb_HWC = np.random.default_rng(0).integers(0, 256, (30, 60, 3), dtype=np.uint8)
    own = open_round_trip(folder, (None, None), Kit())
    large = open_round_trip(folder, (64, 64), Kit())
    assert own is not None
    assert large is not None
    back = own(rgb_HWC)
    # 16 x 16 pixels, as its network has 8 x 8 latents, in the shape of the picture
    assert back.dtype == np.uint8
    assert back.shape == (12, 22, 3)
    assert np.array_equal(back, own(rgb_HWC))
    assert not np.array_equal(back, own(255 - rgb_HWC))
    assert large(rgb_HWC).shape == (46, 90, 3)


def test_a_model_of_pixels_has_none(tmp_path: Path) -> None:
    assert open_round_trip(save("ddpm", tmp_path / "ddpm"), (None, None), Kit()) is None


def test_weights_that_could_run_code_are_refused(tmp_path: Path) -> None:
    folder = save("sd1", tmp_path / "sd1")
    for file in (folder / "vae").glob("*.safetensors"):
        file.rename(file.with_suffix(".bin"))
    with pytest.raises(ModelError):
        open_round_trip(folder, (None, None), Kit())
