"""Regressors: right numbers, causal to the bit, independent of how they are streamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.signal import lfilter

from giblet.align import regressors as module
from giblet.align.regressors import audio_summary, cell_means, video_summary, write_regressors
from giblet.errors import AlignError, ConfigError
from giblet.hrf import hrf_kernel
from tests.support.caches import edited
from tests.support.stage_files import StageFiles, make_stages

N_TRS = 60
DELAYS = [1, 3]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StageFiles:
    return make_stages(tmp_path_factory.mktemp("stages"), (N_TRS,))


def write(made: StageFiles, out: Path, **changed: Any) -> dict[str, np.ndarray]:
    arguments: dict[str, Any] = {
        "run": "run-1",
        "frames": made.frames[0],
        "audio": made.audio[0],
        "text": made.text[0],
        "tr_s": "1.5",
        "hrf": "glover",
        "delays_trs": DELAYS,
        "grid_height": 4,
        "grid_width": 6,
        **changed,
    }
    write_regressors(out, **arguments)
    with h5py.File(out) as file:
        kinds = [(k, m) for k in ("raw", "hrf", "fir") for m in ("video", "audio", "text")]
        return {f"{k}/{m}": file[f"{k}/{m}"][:] for k, m in kinds}


def test_filtered_and_delayed_columns_equal_scipys(made: StageFiles, tmp_path: Path) -> None:
    found = write(made, tmp_path / "out.h5")
    kernel = hrf_kernel("glover", "1.5", duration_s=30)
    for name in ("video", "audio", "text"):
        raw = found[f"raw/{name}"].astype(float)
        assert np.allclose(found[f"hrf/{name}"], lfilter(kernel, 1, raw, axis=0), atol=1e-4)
        width = raw.shape[1]
        for place, delay in enumerate(DELAYS):
            block = found[f"fir/{name}"][:, place * width : (place + 1) * width]
            assert np.array_equal(block[delay:], found[f"raw/{name}"][:-delay])
            assert not block[:delay].any()
    assert all(values.dtype == np.float32 for values in found.values())


@pytest.mark.parametrize("tr", [0, 25, N_TRS - 1])
def test_nothing_before_a_tr_depends_on_it(made: StageFiles, tmp_path: Path, tr: int) -> None:
    """Change everything from a TR on: all regressors before stay the same to the bit."""
    before = write(made, tmp_path / "a.h5")
    changed = make_stages(tmp_path / "changed", (N_TRS,))
    rng = np.random.default_rng(7)
    with edited(changed.frames[0]) as file:
        shape = file["frames"][tr:].shape
        file["frames"][tr:] = rng.integers(0, 255, size=shape, dtype=np.uint8)
    with edited(changed.audio[0]) as file:
        first = int(file["index"][tr, 0])
        file["log_mel"][first:] = rng.normal(size=file["log_mel"][first:].shape)
    with edited(changed.text[0]) as file:
        file["embedding"][tr:] = rng.normal(size=file["embedding"][tr:].shape)
    after = write(changed, tmp_path / "b.h5")
    for name in before:
        assert np.array_equal(before[name][:tr], after[name][:tr]), name
        if name.startswith("raw"):
            assert not np.array_equal(before[name][tr:], after[name][tr:]), name


def test_the_answer_to_a_flash_comes_after_it_and_peaks_at_five_seconds(
    made: StageFiles, tmp_path: Path
) -> None:
    flash = make_stages(tmp_path / "flash", (N_TRS,))
    with edited(flash.frames[0]) as file:
        file["frames"][:] = 0
        file["frames"][20] = 200
    found = write(flash, tmp_path / "out.h5")["hrf/video"][:, 0]
    assert not found[:20].any()
    assert (found.argmax() - 20) * 1.5 == pytest.approx(5, abs=1)


def test_summaries_do_not_depend_on_the_chunks(
    made: StageFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = video_summary(made.frames[0], "1.5", 4, 6)
    monkeypatch.setattr(module, "CHUNK_BYTES", 1)
    assert np.array_equal(video_summary(made.frames[0], "1.5", 4, 6), whole)
    assert whole.shape == (N_TRS, 3 * 24 + 2 * 6)


def test_pictures_of_known_content(tmp_path: Path) -> None:
    made = make_stages(tmp_path, (12,), height=4, width=8, frames_per_tr=2)
    with edited(made.frames[0]) as file:
        pictures = np.zeros(file["frames"].shape, np.uint8)
        pictures[:, :, :, :4, 0] = 255  # red on the left
        pictures[6:, :, 2:, 4:] = 255  # white at the lower right from TR 6 on
        file["frames"][:] = pictures
    found = video_summary(made.frames[0], "1.5", 2, 2)
    luminance, contrast, motion = found[:, :4], found[:, 4:8], found[:, 8:12]
    assert np.allclose(luminance[3], [0.299, 0, 0.299, 0], atol=1e-3)
    assert np.allclose(luminance[6], [0.299, 0, 0.299, 1], atol=1e-3)
    assert np.allclose(contrast, 0, atol=1e-3)
    # The change between TR 5 and 6 belongs to TR 6: one of its two frames.
    assert np.allclose(motion[6], [0, 0, 0, np.log1p(255) / 2], atol=1e-3)
    assert not motion[:6].any()
    assert not motion[7:].any()
    # Red minus green over the one colour cell: half the picture is red.
    assert np.allclose(found[3, 12], 0.5, atol=1e-3)


def test_cell_means_of_uneven_cells() -> None:
    picture = np.arange(35, dtype=np.float32).reshape(5, 7)
    found = cell_means(picture, 2, 3)
    assert found[0, 0] == picture[:2, :2].mean()
    assert found[1, 2] == picture[2:, 4:].mean()
    assert np.allclose(cell_means(picture, 5, 7), picture)


def test_audio_summary_is_mean_and_spread_above_silence(made: StageFiles) -> None:
    found = audio_summary(made.audio[0], "1.5")
    with h5py.File(made.audio[0]) as file:
        mel, index = file["log_mel"][:].astype(float), file["index"][:]
    part = mel[index[7, 0] : index[7, 1]]
    assert np.allclose(found[7, :5], part.mean(0) - np.log(1e-5), atol=1e-3)
    assert np.allclose(found[7, 5:], part.std(0), atol=1e-3)


def test_a_backbone_replaces_the_picture_summaries(made: StageFiles, tmp_path: Path) -> None:
    found = write(made, tmp_path / "out.h5", video=made.text[0])
    assert np.array_equal(found["raw/video"], found["raw/text"])


# Bad inputs; docs/align.md lists these messages.


def test_grid_finer_than_the_picture(made: StageFiles, tmp_path: Path) -> None:
    with pytest.raises(AlignError, match=r"is 40 x 6, finer than the frames of 10 x 16 pixels"):
        write(made, tmp_path / "out.h5", grid_height=40)


def test_negative_delay(made: StageFiles, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"delays_trs is \[-1, 2\]: a negative delay"):
        write(made, tmp_path / "out.h5", delays_trs=[-1, 2])


def test_features_of_different_lengths(made: StageFiles, tmp_path: Path) -> None:
    longer = make_stages(tmp_path / "longer", (N_TRS + 1,))
    with pytest.raises(AlignError, match=r"video 60 TRs, audio 61 TRs, text 60 TRs"):
        write(made, tmp_path / "out.h5", audio=longer.audio[0])


def test_backbone_features_with_nan(made: StageFiles, tmp_path: Path) -> None:
    broken = make_stages(tmp_path / "nan", (N_TRS,))
    with edited(broken.text[0]) as file:
        file["embedding"][3, 2] = np.nan
    with pytest.raises(AlignError, match="video embedding holds NaN"):
        write(made, tmp_path / "out.h5", video=broken.text[0])
