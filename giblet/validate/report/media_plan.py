"""Which pictures, sounds and films the page shows, grouped as the reader sees them.

Embedding goes from what the page needs most to what it can do without, so that a large study
loses films first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from giblet.validate.report.files import records
from giblet.validate.report.media import Budget, Media, film, picture, sound
from giblet.validate.report.study import Study
from giblet.validate.report.volume import Volume, volume_view
from giblet.validate.report.words import column_name, number

KINDS = ("random", "best", "median", "worst")
KIND_MEANING = {
    "random": "drawn with the study's seed, not chosen",
    "best": "highest score from measured BOLD",
    "median": "middle score from measured BOLD",
    "worst": "lowest score from measured BOLD",
}
SOUND_LABELS = {
    "original": "Original",
    "ceiling": "Ceiling: original through the codec",
    "model": "Through the network",
    "from_bold": "From measured BOLD",
    "from_predicted": "From predicted BOLD",
}
FILM_LABELS = {name: label for name, label in SOUND_LABELS.items() if name != "ceiling"}


@dataclass(frozen=True)
class Shown:
    """A picture, sound or film with its words; `alt` is what a screen reader says."""

    media: Media
    title: str
    alt: str


@dataclass
class Group:
    """Items under one heading."""

    title: str
    items: list[Shown]
    note: str = ""


@dataclass
class MediaPlan:
    """All media of the page."""

    maps: list[Shown] = field(default_factory=list)
    subject_maps: list[Group] = field(default_factory=list)
    frames: list[Group] = field(default_factory=list)
    strips: list[Shown] = field(default_factory=list)
    sounds: list[Group] = field(default_factory=list)
    spectrograms: list[Shown] = field(default_factory=list)
    triptychs: list[Shown] = field(default_factory=list)
    films: list[Group] = field(default_factory=list)
    plots: dict[str, Shown] = field(default_factory=dict)
    volume: Volume = field(default_factory=Volume)


MAPS = (
    ("glass_r", "Network: r", "glass brain of the correlation between the network's prediction "
     "and measured BOLD, mean over subjects"),
    ("glass_r_ridge", "Ridge: r", "glass brain of the same for ridge"),
    ("surface_r", "Network: r on the cortical surface", "inflated cortical surfaces with the same, "
     "mean over subjects"),
    ("surface_r_ridge", "Ridge: r on the cortical surface", "inflated cortical surfaces of ridge"),
    ("surface_r_normalised", "Network: r / ceiling on the cortical surface", "inflated cortical "
     "surfaces of the correlation as a share of the ceiling"),
    ("glass_delay", "Response delay", "glass brain of the response delay that ridge estimated"),
    ("surface_delay", "Response delay on the cortical surface", "inflated cortical surfaces of the "
     "response delay"),
    ("model_vs_ridge", "Network against ridge", "scatter of the voxels' r, network against ridge"),
    ("partition", "Which modality explains what", "stacked bars: for each region the variance that "
     "only picture, only sound, only words and each combination of them explain"),
    ("glass_unique_video", "Only the picture explains", "glass brain of the variance that ridge "
     "explains from the picture and from nothing else, mean over subjects"),
    ("glass_unique_audio", "Only the sound explains", "glass brain of the same for the sound"),
    ("glass_unique_text", "Only the words explain", "glass brain of the same for the words"),
)  # fmt: skip
SUBJECT_MAPS = (
    ("r", "r", "correlation"),
    ("r_normalised", "r / ceiling", "correlation as a share of the ceiling"),
    ("q", "q", "false discovery rate at which the voxel is significant"),
    ("delay_s", "Response delay", "response delay where ridge predicts significantly"),
    ("best", "Best modality", "which modality explains most that no other does"),
)
PLOTS = (
    ("fmri/runs", "Each subject in each run", "mean r of each subject in each run, with intervals"),
    ("video/scores", "SSIM along the test TRs", "lines of SSIM over time for each source"),
    ("text/ranks", "Share retrieved within each rank", "curves of cumulative retrieval"),
    ("text/regions", "Words told from each region alone", "pairwise identification of the words "
     "from the BOLD of single regions, with intervals"),
)  # fmt: skip


def plan(
    study: Study, runs: list[str], budget: Budget, *, clip_s: float, audio_format: str
) -> MediaPlan:
    """Embed what the budget allows.

    Parameters
    ----------
    runs
        Runs whose sounds and films are embedded.
    clip_s
        Seconds of each sound and film.
    audio_format
        ``flac`` or ``opus``.
    """
    out = MediaPlan()
    files = study.files
    for name, title, alt in MAPS:
        path = files.get(f"validate/fmri/{name}.png")
        if path is not None:
            out.maps.append(Shown(picture(path, budget), title, alt))
    out.volume = volume_view(files, budget)
    out.frames = _frames(study, budget)
    for name, title, alt in PLOTS:
        path = files.get(f"validate/{name}.png")
        if path is not None:
            out.plots[name] = Shown(picture(path, budget), title, alt)
    for run in runs:
        out.sounds.append(_sounds(study, run, budget, clip_s, audio_format))
        path = files.get(f"validate/audio/{run}_spectrograms.png")
        if path is not None:
            alt = f"spectrograms of {run}, one panel per source"
            out.spectrograms.append(Shown(picture(path, budget), run, alt))
    out.subject_maps = _subject_maps(study, budget)
    for run in runs:
        path = files.get(f"validate/video/{run}_strip.png")
        if path is not None:
            alt = f"frames of {run} at equal distances, one row a source"
            out.strips.append(Shown(picture(path, budget), f"{run} at a glance", alt))
    for run in runs:
        path = files.get(f"validate/video/{run}_triptych.mp4")
        if path is not None:
            out.triptychs.append(_triptych(film(path, budget, clip_s), run))
    for run in runs:
        out.films.append(_films(study, run, budget, clip_s))
    out.sounds = [group for group in out.sounds if group.items]
    out.films = [group for group in out.films if group.items]
    return out


def _frames(study: Study, budget: Budget) -> list[Group]:
    """Frame strips by kind, in the order of the examples table."""
    table = study.tables.get("examples")
    groups = []
    for kind in KINDS:
        items = []
        rows = [] if table is None else records(table[table["kind"] == kind])
        for row in rows:
            path = study.files.get(f"validate/video/{row['file']}")
            media = picture(path, budget, row["file"])
            title = f"{row['run']}, TR {row['tr']:.0f} ({number(row['start_s'], 1)} s)"
            title += f", SSIM {number(row['ssim'])}"
            alt = (
                f"frames of {row['run']} at TR {row['tr']:.0f}: original and decoded, side by side"
            )
            items.append(Shown(media, title, f"{kind} example, {alt}"))
        if items:
            groups.append(Group(kind.capitalize(), items, KIND_MEANING[kind]))
    return groups


def _sounds(study: Study, run: str, budget: Budget, clip_s: float, audio_format: str) -> Group:
    def embed(path: Path) -> Media:
        return sound(path, budget, clip_s, audio_format)

    return _compared(study, run, budget, f"validate/audio/{run}_{{}}.wav", SOUND_LABELS, embed)


def _films(study: Study, run: str, budget: Budget, clip_s: float) -> Group:
    def embed(path: Path) -> Media:
        return film(path, budget, clip_s)

    return _compared(study, run, budget, f"validate/video/{run}_{{}}.mp4", FILM_LABELS, embed)


def _triptych(media: Media, run: str) -> Shown:
    title = f"{run}: as shown, through the network and from measured BOLD, with the film's sound"
    if media.cut:
        title += f" (the first {media.duration_s:.0f} of {media.of_s:.0f} s of held-out film)"
    return Shown(media, title, f"{run}: original and decoded side by side")


def _compared(
    study: Study,
    run: str,
    budget: Budget,
    pattern: str,
    labels: dict[str, str],
    embed: Callable[[Path], Media],
) -> Group:
    """Versions of one run side by side: all of them or none, a part compares nothing."""
    files = {label: study.files.get(pattern.format(name)) for name, label in labels.items()}
    present = {label: path for label, path in files.items() if path is not None}
    media: list[Media] = []
    with budget.all_or_nothing(media):
        media += [embed(path) for path in present.values()]
    items = [
        Shown(one, label, f"{run}: {label}") for one, label in zip(media, present, strict=True)
    ]
    return Group(run, items, _whose(study, items))


def _whose(study: Study, items: list[Shown]) -> str:
    """How much of the test block is shown, and of whom."""
    parts = []
    cut = [item.media for item in items if item.media.cut]
    if cut:
        longest = max(media.of_s for media in cut)
        parts.append(f"the first {cut[0].duration_s:.0f} of {longest:.0f} s of held-out film")
    if study.shown_subject:
        parts.append(f"“{column_name('audio', 'from_bold')}” is {study.shown_subject}")
    return "; ".join(parts)


def _subject_maps(study: Study, budget: Budget) -> list[Group]:
    groups = []
    subjects = [] if study.voxels is None else list(study.voxels.of_subject)
    for subject in subjects:
        items = []
        for name, title, alt in SUBJECT_MAPS:
            path = study.files.get(f"validate/fmri/{subject}_{name}.png")
            if path is not None:
                alt_text = f"axial slices of {subject}: {alt}"
                items.append(Shown(picture(path, budget), title, alt_text))
        if items:
            groups.append(Group(subject, items))
    return groups


def left_out(plan_: MediaPlan) -> list[str]:
    """Names of the files that did not fit."""
    groups = [*plan_.subject_maps, *plan_.frames, *plan_.sounds, *plan_.films]
    shown = [*plan_.maps, *plan_.spectrograms, *plan_.plots.values()]
    shown += [*plan_.strips, *plan_.triptychs]
    shown += [item for group in groups for item in group.items]
    names = [item.media.name for item in shown if item.media.reason and item.media.name]
    names += [f"volume of {who}" for who in plan_.volume.absent]
    return [PurePosixPath(name).name for name in names]
