"""The simulated film: what is planned, what is written, and that both agree."""

from itertools import pairwise

import av
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.errors import ConfigError
from giblet.simulate.film import make_film
from giblet.simulate.picture import draw_scene
from giblet.simulate.scenes import ACTIONS, COLOURS, PLACES, TEXTURES, THINGS, plan_scenes
from giblet.simulate.sound import Sound, mix, sounds_of

PLAN = {
    "tr_s": "1.5",
    "frame_rate_hz": 8,
    "scene_min_s": 3.0,
    "scene_max_s": 6.0,
    "annotated_share": 0.8,
    "narrated_share": 0.6,
    "seed": 5,
}
FILM = {**PLAN, "n_trs": 21, "width": 96, "height": 54, "sample_rate_hz": 12000}
SECONDS = 31.5


def write_film(folder, run="run-1", **other):
    movie, table = folder / f"{run}.mp4", folder / f"{run}_annotations.tsv"
    make_film(movie, table, run=run, **{**FILM, **other})
    return movie, table


def decode(movie):
    with av.open(str(movie)) as container:
        frames = [
            (f.pts * f.time_base, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)
        ]
    with av.open(str(movie)) as container:
        sound = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    times, pictures = zip(*frames, strict=True)
    return times, np.stack(pictures), np.concatenate(sound), rate


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film"))


@pytest.fixture(scope="module")
def decoded(film):
    return decode(film[0])


@pytest.fixture(scope="module")
def scenes():
    return plan_scenes("run-1", 21, **PLAN)


def test_film_lasts_as_long_as_its_trs(film, decoded):
    times, pictures, sound, rate = decoded
    assert pictures.shape == (252, 54, 96, 3)
    assert [float(time) for time in times] == [frame / 8 for frame in range(252)]
    assert rate == 12000
    # AAC comes in packets of 1024 samples.
    assert 0 <= len(sound) - SECONDS * rate < 3 * 1024
    with av.open(str(film[0])) as container:
        assert container.duration / av.time_base == pytest.approx(SECONDS, abs=0.2)


def test_film_shows_the_scenes_that_were_planned(decoded, scenes):
    shown = decoded[1].astype(float)
    for scene in scenes:
        drawn = np.stack(
            list(draw_scene(scene, run="run-1", width=96, height=54, frame_rate_hz=8.0, seed=5))
        )
        part = shown[scene.start_frame : scene.stop_frame]
        assert drawn.shape == part.shape
        assert np.abs(drawn.mean(axis=(1, 2)) - part.mean(axis=(1, 2))).mean() < 6
    change = np.abs(np.diff(shown, axis=0)).mean(axis=(1, 2, 3))
    cuts = [scene.start_frame - 1 for scene in scenes[1:]]
    assert np.median(change[cuts]) > 5 * np.median(np.delete(change, cuts))


def test_annotations_are_the_annotated_scenes(film, scenes):
    table = pd.read_csv(film[1], sep="\t")
    told = [scene for scene in scenes if scene.annotated]
    assert 0 < len(told) <= len(scenes)
    assert table.columns.tolist() == ["start_s", "end_s", "text", "spoken"]
    assert (table["spoken"] == "yes").tolist() == [scene.narrated for scene in told]
    assert table["text"].tolist() == [scene.description for scene in told]
    assert table["start_s"].to_numpy() == pytest.approx([scene.start_s for scene in told], abs=1e-6)
    assert table["end_s"].to_numpy() == pytest.approx([scene.stop_s for scene in told], abs=1e-6)
    words = set(" ".join(table["text"]).rstrip(".").replace(".", "").split())
    vocabulary = {*COLOURS, *THINGS, *TEXTURES, *ACTIONS, "A", *" ".join(PLACES.values()).split()}
    assert words <= vocabulary


def test_same_seed_same_bytes_other_run_other_film(film, tmp_path):
    movie, table = write_film(tmp_path)
    assert movie.read_bytes() == film[0].read_bytes()
    assert table.read_bytes() == film[1].read_bytes()
    other, _ = write_film(tmp_path, run="run-2")
    assert other.read_bytes() != movie.read_bytes()


def test_narration_is_heard_where_it_is_spoken(scenes):
    rate = 12000
    n_samples = round(SECONDS * rate)

    def loudness(plan):
        sounds = sounds_of(plan, run="run-1", sample_rate_hz=rate, seed=5)
        return np.concatenate(list(mix(sounds, n_samples, rate)))

    spoken = [scene for scene in scenes if scene.narrated]
    assert spoken
    mute = [scene.__class__(**{**vars(scene), "narrated": False}) for scene in scenes]
    voice = loudness(scenes) - loudness(mute)
    times = np.arange(n_samples) / rate
    for scene in scenes:
        here = (times > scene.start_s + 0.8) & (times < scene.start_s + 1.8)
        assert (np.std(voice[here]) > 0.03) == scene.narrated
    power = np.abs(np.fft.rfft(voice)) ** 2
    hz = np.fft.rfftfreq(n_samples, 1 / rate)
    assert power[(hz > 80) & (hz < 4000)].sum() > 0.7 * power.sum()


def test_sound_reaches_the_file_and_changes_with_time(decoded):
    sound, rate = decoded[2], decoded[3]
    seconds = sound[: 31 * rate].reshape(31, rate).std(axis=1)
    assert np.abs(sound).max() <= 1.05
    assert seconds.max() > 0.05
    assert seconds.std() > 0.3 * seconds.mean()


@given(st.integers(1, 400), st.sampled_from([1, 8, 12, "24000/1001"]), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_scenes_cut_the_film_without_gap_or_overlap(n_trs, rate, seed):
    plan = {**PLAN, "frame_rate_hz": rate, "seed": seed}
    scenes = plan_scenes("run-1", n_trs, **plan)
    edges = [(scene.start_frame, scene.stop_frame) for scene in scenes]
    assert edges[0][0] == 0
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    assert 0 <= scenes[-1].stop_s - n_trs * 1.5 < 1.01
    lengths = [scene.stop_s - scene.start_s for scene in scenes]
    assert all(2 <= length <= 7 for length in lengths[:-1])
    assert all(start < stop for start, stop in edges)


def test_descriptions_are_balanced_and_their_words_independent():
    scenes = plan_scenes("run-1", 600, **PLAN)
    for field, words in (("place", PLACES), ("thing", THINGS), ("colour", COLOURS)):
        counts = pd.Series([getattr(scene, field) for scene in scenes]).value_counts()
        assert set(counts.index) == set(words)
        assert counts.max() - counts.min() <= 1
    table = pd.crosstab([s.place for s in scenes], [s.colour for s in scenes])
    expected = len(scenes) / table.size
    assert ((table - expected) ** 2 / expected).to_numpy().sum() < 55  # chi2, 25 df, p = 5e-4
    assert len({scene.description for scene in scenes}) > 0.95 * len(scenes)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 200)), max_size=8),
    st.integers(1, 300),
    st.integers(1, 90),
)
@settings(max_examples=60, deadline=None)
def test_mixing_in_blocks_adds_everything_once(places, n_samples, block):
    rng = np.random.default_rng(0)
    waves = [(start, rng.normal(0, 0.1, length).astype(np.float32)) for start, length in places]
    waves.sort(key=lambda wave: wave[0])
    whole = np.zeros(1000)
    for start, wave in waves:
        whole[start : start + len(wave)] += wave
    sounds = [Sound(start, lambda wave=wave: wave) for start, wave in waves]
    mixed = np.concatenate(list(mix(sounds, n_samples, block)))
    assert np.allclose(mixed, np.tanh(whole[:n_samples]), atol=1e-6)


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_moves_the_thing(action):
    plan = plan_scenes("run-1", 200, **PLAN)
    scene = next(part for part in plan if part.action == action)
    still = scene.__class__(**{**vars(scene), "pan": (0.0, 0.0), "flicker": 0.0})
    frames = draw_scene(still, run="run-1", width=64, height=36, frame_rate_hz=8.0, seed=5)
    pictures = np.stack(list(frames)).astype(int)
    assert (np.abs(np.diff(pictures, axis=0)).sum(axis=(1, 2, 3)) > 0).mean() > 0.2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"width": 97}, "width and height are 97 and 54: H.264 needs even"),
        ({"sample_rate_hz": 13000}, "sample_rate_hz is 13000: AAC knows 8000"),
        ({"scene_min_s": 9.0}, r"scene_min_s is 9\.0 and scene_max_s is 6\.0"),
        ({"n_trs": 0}, "has a run of 0 TRs"),
        ({"frame_rate_hz": "many"}, "frame_rate_hz is 'many', not a number"),
    ],
)
def test_films_that_cannot_be_made_are_refused(tmp_path, other, message):
    with pytest.raises(ConfigError, match=message):
        write_film(tmp_path, **other)
    assert not list(tmp_path.iterdir())
