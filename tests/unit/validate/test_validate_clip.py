"""Identification by CLIP embeddings, with a small CLIP of random weights kept in a folder."""

import numpy as np
import pandas as pd
import pytest
import torch

from giblet.errors import ConfigError, PretrainedModelError
from giblet.validate.picture_embedding import load_clip
from giblet.validate.video import score_video
from tests.unit.validate.conftest import STATISTICS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = CLIPConfig(
        vision_config={**sizes, "image_size": 32, "patch_size": 8, "projection_dim": 8},
        text_config={**sizes, "vocab_size": 9, "eos_token_id": 2, "bos_token_id": 1},
        projection_dim=8,
    )
    path = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(path)
    return path


def test_embedding_is_that_of_clips_own_preprocessing(folder):
    """Against Pillow's bicubic resizing and the library's own model."""
    from PIL import Image
    from transformers import CLIPModel
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, size=(3, 2, 6, 9, 3), dtype=np.uint8)
    trs = coarse.repeat(10, 2).repeat(10, 3)  # 60 x 90 pixels
    found = load_clip(f"hf:{folder}", None)(trs)
    network = CLIPModel.from_pretrained(folder).eval()
    expected = []
    for picture in trs.reshape(-1, 60, 90, 3):
        resized = Image.fromarray(picture).resize((48, 32), Image.Resampling.BICUBIC)
        square = np.asarray(resized, np.float32)[:, 8:40] / 255
        pixels = (square - OPENAI_CLIP_MEAN) / OPENAI_CLIP_STD
        values = torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None]
        with torch.no_grad():
            hidden = network.vision_model(pixel_values=values).pooler_output
            expected.append(network.visual_projection(hidden).numpy()[0])
    expected = np.reshape(expected, (3, 2, 8)).mean(1)
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert np.abs(expected[0] - expected[1]).max() > 0.1


def test_moments_are_identified_by_what_they_show(inputs, folder, tmp_path):
    paths = {"metrics": tmp_path / "metrics.csv", "trs": tmp_path / "trs.tsv"}
    paths["series"] = tmp_path / "series.h5"
    study = (inputs.study, inputs.predictions, inputs.baseline)
    score_video(*study, **paths, **STATISTICS, clip=f"hf:{folder}")
    table = pd.read_csv(paths["metrics"])
    pooled = table[table["subject"].isna()].set_index(["metric", "source"])["value"]
    for prefix in ("clip", "clip_all"):
        assert pooled[f"{prefix}_pairwise", "chance"] == 0.5
        assert pooled[f"{prefix}_pairwise", "model"] > 0.6
        assert pooled[f"{prefix}_pairwise", "floor_mean"] == pytest.approx(0.5)
        assert pooled[f"{prefix}_p", "model"] < 0.05
    score_video(*study, **paths, **STATISTICS)
    assert not pd.read_csv(paths["metrics"])["metric"].str.startswith("clip").any()


@pytest.mark.parametrize("clip", ["openai/clip", "hf:", "torchvision:resnet18"])
def test_other_names_are_refused(clip):
    with pytest.raises(ConfigError, match=r"validate/video/clip is .*use none, or hf:ID"):
        load_clip(clip, None)


def test_a_model_that_is_not_there_says_what_runs_without_it():
    with pytest.raises(PretrainedModelError, match=r"set validate/video/clip to 'none'"):
        load_clip("hf:nobody/has-this-clip", None)


def test_another_kind_of_model_is_refused(tmp_path):
    from transformers import ViTConfig, ViTModel

    ViTModel(
        ViTConfig(
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            image_size=16,
            patch_size=8,
        )
    ).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"a ViTModel, which has no image embeddings"):
        load_clip(f"hf:{tmp_path}", None)
