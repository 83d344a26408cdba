"""Picture embeddings with a tiny random vision network."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from giblet.errors import ConfigError, MissingExtraError, PretrainedModelError
from giblet.features.video import extract_video, load_backbone
from giblet.store import reading, writing


@pytest.fixture(scope="module")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vit") / "tiny"
    sizes = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2}
    ViTModel(
        ViTConfig(image_size=32, patch_size=16, intermediate_size=12, **sizes)
    ).save_pretrained(folder)
    return folder


def write_frames(path: Path, n_trs: int = 5, per_tr: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (n_trs, per_tr, 18, 32, 3), dtype=np.uint8)
    valid = np.ones((n_trs, per_tr), bool)
    valid[1, 2] = False
    valid[4] = False
    with writing(path, stage="stimulus", run="run-1", tr_s="1.5") as file:
        file["frames"], file["valid"] = frames, valid
    return frames


def test_a_trs_embedding_is_the_mean_over_its_valid_frames(tiny_vit: Path, tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames.h5")
    backbone = f"hf:{tiny_vit}"
    extract_video(
        tmp_path / "frames.h5",
        tmp_path / "v.h5",
        run="r",
        tr_s="1.5",
        backbone=backbone,
        batch_trs=2,
    )
    each = [load_backbone(backbone)(tr) for tr in frames]
    with reading(tmp_path / "v.h5", stage="features", tr_s="1.5") as file:
        found = file["embedding"][:]
    assert found.shape == (5, 12)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], each[0].mean(0), atol=1e-5)
    np.testing.assert_allclose(found[1], each[1][:2].mean(0), atol=1e-5)
    np.testing.assert_array_equal(found[4], 0)
    assert np.ptp(found[:4], axis=0).max() > 1e-4


def test_without_torchvision_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(MissingExtraError) as error:
        load_backbone("torchvision:resnet18")
    assert "pip install 'giblet[video]', in a build that matches torch" in str(error.value)
    assert "or set features/video/backbone to none" in str(error.value)


@pytest.mark.parametrize("backbone", ["none", "resnet18", "hf:", "torchvision:"])
def test_an_unknown_backbone_is_refused(backbone: str) -> None:
    with pytest.raises(ConfigError, match="use none, torchvision:NAME"):
        load_backbone(backbone)


def test_a_backbone_that_cannot_be_fetched() -> None:
    with pytest.raises(PretrainedModelError) as error:
        load_backbone("hf:somebody/no-such-network", revision="abc")
    assert "'somebody/no-such-network' (revision abc)" in str(error.value)
    assert "set features/video/backbone to 'none'" in str(error.value)


def test_a_torchvision_network_gives_what_its_classifier_sees(tmp_path: Path) -> None:
    torchvision = pytest.importorskip(
        "torchvision", reason="the extra giblet[video]", exc_type=ImportError
    )
    assert torchvision
    try:
        embed = load_backbone("torchvision:resnet18")
    except PretrainedModelError as error:
        pytest.skip(f"no weights here: {error}")
    assert embed(np.zeros((2, 90, 160, 3), np.uint8)).shape == (2, 512)
