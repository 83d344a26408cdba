"""What metrics and sources are called, and which way is better.

A metric that is not listed is shown without a verdict, so a new one is never judged by guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HIGHER = 1
LOWER = -1
NEITHER = 0
BETTER = {HIGHER: "higher is better", LOWER: "lower is better"}

MODALITIES = ("fmri", "video", "audio", "text")
STIMULUS_MODALITIES = MODALITIES[1:]
MODALITY_NAMES = {"fmri": "Brain", "video": "Picture", "audio": "Sound", "text": "Words"}

FLOORS = ("floor_mean", "floor_shifted", "floor_nearest")
# Floors that know nothing of the moment asked about. The nearest training clip does: it looks at
# the film (or, for decoding, at the brain), so what it finds is there to be found.
BLIND_FLOORS = ("floor_mean", "floor_shifted")
SOURCES = ("ceiling", "model", "from_bold", "from_predicted", "ridge", *FLOORS, "chance")

# What answering a modality's question is called in a sentence.
DEEDS = {
    "fmri": "predicts held-out brain activity from the film",
    "video": "picture",
    "audio": "sound",
    "text": "words",
}


@dataclass(frozen=True)
class Metric:
    """How a metric is named, read and judged.

    Parameters
    ----------
    label
        Name in tables.
    better
        `HIGHER`, `LOWER` or `NEITHER`.
    meaning
        One line for the reader.
    no_skill
        Value that knowing nothing gives, where that is the same for every study.
    digits
        Decimals shown.
    """

    label: str
    better: int
    meaning: str
    no_skill: float = np.nan
    digits: int = 3


METRICS = {
    "r_mean": Metric("mean r", HIGHER, "Pearson r on held-out TRs, mean over voxels", 0.0),
    "r_median": Metric("median r", HIGHER, "the same, median over voxels", 0.0),
    "r_normalised_median": Metric(
        "r / ceiling", HIGHER, "r as a share of the ceiling, median over voxels that have one", 0.0
    ),
    "share_significant": Metric(
        "significant voxels", HIGHER, "share of voxels that pass the false discovery rate"
    ),
    "n_above_ceiling": Metric(
        "voxels above ceiling",
        NEITHER,
        "voxels in which r exceeds the ceiling, which is estimated too low there",
        digits=0,
    ),
    "below_ridge": Metric(
        "voxels below ridge", LOWER, "share of responding voxels that ridge predicts better"
    ),
    "clearly_below_ridge": Metric(
        "clearly below ridge", LOWER, "share of them in which that is beyond chance (95 %)"
    ),
    "identification_top1": Metric(
        "identified, top 1", HIGHER, "share of held-out items picked out first among distant ones"
    ),
    "identification_top5": Metric(
        "identified, top 5", HIGHER, "share of held-out items among the first five"
    ),
    "identification_pairwise": Metric(
        "identified, pairwise", HIGHER, "share of pairs in which the right item is nearer", 0.5
    ),
    "identification_rank": Metric(
        "identification rank", LOWER, "median rank of the right item; 1 is best", digits=1
    ),
    "identification_p": Metric(
        "identification p", LOWER, "permutation p of the pairwise identification", digits=4
    ),
    "identification_top1_p": Metric(
        "identification p, top 1", LOWER, "permutation p of the share picked out first", digits=4
    ),
    "identification_all_top1": Metric(
        "identified among all, top 1", HIGHER, "the same among all held-out items, near ones too"
    ),
    "identification_all_top5": Metric(
        "identified among all, top 5", HIGHER, "share among the first five of all"
    ),
    "identification_all_pairwise": Metric(
        "identified among all, pairwise", HIGHER, "share of all pairs in which it is nearer", 0.5
    ),
    "identification_all_rank": Metric(
        "rank among all", LOWER, "median rank of the right item among all; 1 is best", digits=1
    ),
    "identification_all_p": Metric(
        "p among all", LOWER, "permutation p of the pairwise identification", digits=4
    ),
    "identification_all_top1_p": Metric(
        "p among all, top 1", LOWER, "permutation p of the share picked out first", digits=4
    ),
    "false_discovery_fraction": Metric(
        "false discovery fraction", LOWER, "share of significant voxels that respond to nothing"
    ),
    "n_false_discoveries": Metric(
        "false discoveries, count",
        LOWER,
        "voxels that respond to nothing called significant",
        digits=0,
    ),
    "power": Metric("power", HIGHER, "share of responding voxels called significant"),
    "r_over_true_ceiling": Metric(
        "r / true ceiling", HIGHER, "median over responding voxels, against the planted ceiling"
    ),
    "delay_abs_error_s": Metric(
        "delay error", LOWER, "seconds between recovered and planted delay, median", digits=2
    ),
    "unique_video": Metric("only picture", NEITHER, "variance that only the picture explains"),
    "unique_audio": Metric("only sound", NEITHER, "variance that only the sound explains"),
    "unique_text": Metric("only words", NEITHER, "variance that only the words explain"),
    "shared_video_audio": Metric("picture + sound", NEITHER, "shared by picture and sound"),
    "shared_video_text": Metric("picture + words", NEITHER, "shared by picture and words"),
    "shared_audio_text": Metric("sound + words", NEITHER, "shared by sound and words"),
    "shared_video_audio_text": Metric("all three", NEITHER, "shared by all three"),
    "best_video": Metric(
        "best explained by picture", NEITHER, "share of ridge's significant voxels"
    ),
    "best_audio": Metric("best explained by sound", NEITHER, "share of ridge's significant voxels"),
    "best_text": Metric("best explained by words", NEITHER, "share of ridge's significant voxels"),
    "own_modality_video": Metric(
        "picture voxels found", HIGHER, "of voxels that respond to the picture only"
    ),
    "own_modality_audio": Metric(
        "sound voxels found", HIGHER, "of voxels that respond to the sound only"
    ),
    "own_modality_text": Metric(
        "words voxels found", HIGHER, "of voxels that respond to the words only"
    ),
    "psnr": Metric("PSNR", HIGHER, "peak signal-to-noise ratio of the frames", digits=2),
    "ssim": Metric("SSIM", HIGHER, "structural similarity of the frames"),
    "ms_ssim": Metric("MS-SSIM", HIGHER, "structural similarity over several scales"),
    "lpips": Metric("LPIPS", LOWER, "learned perceptual distance"),
    "pixel_r": Metric("pixel r", HIGHER, "correlation over pixels", 0.0),
    "edge_r": Metric("edge r", HIGHER, "correlation over pixels of how strong edges are", 0.0),
    "motion_r": Metric(
        "motion r", HIGHER, "correlation over time of how much moves, mean over the picture", 0.0
    ),
    "clip_top1": Metric(
        "identified by CLIP, top 1", HIGHER, "by what is shown, among distant held-out items"
    ),
    "clip_top5": Metric("identified by CLIP, top 5", HIGHER, "share among the first five"),
    "clip_pairwise": Metric(
        "identified by CLIP, pairwise",
        HIGHER,
        "share of pairs in which the right one is nearer",
        0.5,
    ),
    "clip_rank": Metric("CLIP rank", LOWER, "median rank of the right item; 1 is best", digits=1),
    "clip_p": Metric("CLIP p", LOWER, "permutation p of the pairwise identification", digits=4),
    "clip_top1_p": Metric(
        "CLIP p, top 1", LOWER, "permutation p of the share picked out first", digits=4
    ),
    "clip_all_top1": Metric(
        "by CLIP among all, top 1", HIGHER, "the same among all held-out items, near ones too"
    ),
    "clip_all_top5": Metric(
        "by CLIP among all, top 5", HIGHER, "share among the first five of all"
    ),
    "clip_all_pairwise": Metric(
        "by CLIP among all, pairwise", HIGHER, "share of all pairs in which it is nearer", 0.5
    ),
    "clip_all_rank": Metric(
        "CLIP rank among all", LOWER, "median rank of the right item; 1 is best", digits=1
    ),
    "clip_all_p": Metric(
        "CLIP p among all", LOWER, "permutation p of the pairwise identification", digits=4
    ),
    "clip_all_top1_p": Metric(
        "CLIP p among all, top 1", LOWER, "permutation p of the share picked out first", digits=4
    ),
    "stoi": Metric("STOI", HIGHER, "short-time objective intelligibility"),
    "estoi": Metric("ESTOI", HIGHER, "extended STOI, which also counts gaps that fluctuate"),
    "pesq": Metric("PESQ", HIGHER, "perceptual evaluation of speech quality", digits=2),
    "si_sdr": Metric("SI-SDR", HIGHER, "scale-invariant signal-to-distortion ratio", digits=2),
    "log_spectral_distance": Metric(
        "log-spectral distance", LOWER, "distance between log spectra", digits=2
    ),
    "log_mel_distance": Metric("log-mel distance", LOWER, "distance between log-mel frames"),
    "log_mel_r": Metric("log-mel r", HIGHER, "correlation of each TR's mean log-mel", 0.0),
    "cosine": Metric("cosine", HIGHER, "cosine with the true embedding"),
    "cosine_centred": Metric(
        "cosine, centred", HIGHER, "the same with the train mean removed", 0.0
    ),
    "retrieval_top1": Metric("retrieved, top 1", HIGHER, "share whose sentence comes first"),
    "retrieval_top5": Metric("retrieved, top 5", HIGHER, "share whose sentence is among five"),
    "retrieval_top10": Metric("retrieved, top 10", HIGHER, "share whose sentence is among ten"),
    "retrieval_median_rank": Metric(
        "retrieval rank", LOWER, "median rank of the true sentence; 1 is best", digits=1
    ),
    "retrieval_far_top1": Metric(
        "retrieved among far ones, top 1",
        HIGHER,
        "without the sentences that stand near the moment",
    ),
    "retrieval_far_top5": Metric(
        "retrieved among far ones, top 5", HIGHER, "share whose sentence is among five"
    ),
    "retrieval_far_top10": Metric(
        "retrieved among far ones, top 10", HIGHER, "share whose sentence is among ten"
    ),
    "retrieval_far_median_rank": Metric(
        "rank among far ones", LOWER, "median rank of the true sentence; 1 is best", digits=1
    ),
}

# Ridge's alone; they have their own table, not four columns.
PARTS = (
    *("unique_video", "unique_audio", "unique_text"),
    *("shared_video_audio", "shared_video_text", "shared_audio_text", "shared_video_audio_text"),
)
BEST = ("best_video", "best_audio", "best_text")
OWN = ("own_modality_video", "own_modality_audio", "own_modality_text")
PARTITION = (*PARTS, *BEST, *OWN)

# Of clips during which something is said.
SPEECH_METRICS = ("stoi", "estoi", "pesq")

# What each modality is judged by in the summary; the first is the one drawn.
HEADLINES = {
    "fmri": ("r_mean",),
    "video": ("ssim", "identification_pairwise"),
    "audio": ("log_mel_r", "stoi", "identification_pairwise"),
    "text": ("retrieval_top5", "identification_pairwise"),
}

COLUMN_NAMES = {
    "ceiling": "Ceiling",
    "model": "Through the network",
    "from_bold": "From measured BOLD",
    "from_predicted": "From predicted BOLD",
    "ridge": "Ridge",
    "floor_mean": "Train mean",
    "floor_shifted": "Shifted in time",
    "floor_nearest": "Nearest training clip",
    "chance": "Chance",
}
# The same within a sentence.
SOURCE_NAMES = {
    "ceiling": "the ceiling",
    "model": "the network",
    "from_bold": "the network from measured BOLD",
    "from_predicted": "the network from predicted BOLD",
    "ridge": "ridge",
    "floor_mean": "the train mean",
    "floor_shifted": "the time-shifted prediction",
    "floor_nearest": "the nearest training clip",
    "chance": "chance",
}


def metric(name: str) -> Metric:
    """How a metric is named and judged; one that is not listed is not judged."""
    return METRICS.get(name, Metric(name.replace("_", " "), NEITHER, "not described"))


def place(name: str) -> int:
    """Where a metric stands in a table: identification after the rest, unknown ones last."""
    if name not in METRICS:
        return 2 * len(METRICS)
    return list(METRICS).index(name) + len(METRICS) * name.startswith("identification")


def column_name(modality: str, source: str) -> str:
    """Heading of a source's column: in the brain table the network predicts, not rebuilds."""
    if modality == "fmri" and source == "model":
        return "Network"
    return COLUMN_NAMES.get(source, source)


def source_name(modality: str, source: str) -> str:
    """What a source is called within a sentence."""
    if modality != "fmri" and source == "model":
        return "the film through the network"
    return SOURCE_NAMES.get(source, source)


def number(value: float, digits: int = 3) -> str:
    """A number for the page, with a true minus sign; an en dash when there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    shown = f"{value:,.{digits}f}"
    if float(shown.replace(",", "")) == 0:
        shown = shown.replace("-", "")
    return shown.replace("-", "−")


def interval(low: float, high: float, digits: int = 3) -> str:
    """An interval in square brackets; empty when it is not known."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def capital(text: str) -> str:
    """The text with its first letter as a capital, the rest as it is."""
    return text[:1].upper() + text[1:]


def listed(parts: list[str], last: str = "and") -> str:
    """Words in a row: ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"
