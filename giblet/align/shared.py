"""Which seconds of film the runs of a study share: by their file, their pictures or their sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from giblet.align.alike import Common
from giblet.align.lengths import Stimulus
from giblet.align.matching import NEIGHBOUR_S, Stretch, common_stretches
from giblet.align.signature import STILL, Track, picture_track, sound_track
from giblet.store import reading
from giblet.timing import Exact, as_fraction

# Pictures that move for less than this altogether say nothing about a film.
LEAST_MOVEMENT_S = 5.0
# Stretches of one film this far apart belong together: what lies between was cut or is still.
BETWEEN_S = 12.0
ONE_FILE = "the same film file"
WHY = {"video": "the same pictures", "audio": "the same sound"}


def common_seconds(
    runs: Sequence[str],
    stimuli: Sequence[Stimulus],
    lengths: Mapping[str, int],
    repeats: Mapping[str, str],
    tr_s: Exact,
) -> list[Common]:
    """Stretches that runs share, or that a run shows twice.

    Films that are one file are compared by their onsets, other films by their pictures, and by
    their sound where a run has no pictures, or none that move.

    Parameters
    ----------
    stimuli : frames, audio and text files of each run
    lengths : TRs of each run
    repeats : runs that show what an earlier one showed from the same moment; they share what
        that one shares and are not looked at
    """
    kept = [place for place, run in enumerate(runs) if run not in repeats]
    names = [runs[place] for place in kept]
    files = [stimuli[place] for place in kept]
    pictures = {
        number: picture_track(frames, tr_s, lengths[names[number]])
        for number, (frames, _, _) in enumerate(files)
        if frames
    }
    moving = {number: track for number, track in pictures.items() if _movement_s(track) > 0}
    sounds = {
        number: sound_track(audio, tr_s, lengths[names[number]])
        for number, (_, audio, _) in enumerate(files)
        if audio and len(moving) < len(files)
    }
    heard = {number for number, track in sounds.items() if _movement_s(track) > 0}
    one_file = _of_one_file(files, pictures, {*moving, *heard}, tr_s)
    known = {(one.first, one.second) for one in one_file}
    found = [
        _named(one, names, "the same film file") for one in one_file if one.stop_s > one.start_s
    ]
    found += _compared(names, moving, known)
    found += _compared(names, sounds, known | {(a, b) for a in moving for b in moving})
    return found


def _of_one_file(
    files: Sequence[Stimulus], tracks: Mapping[int, Track], telling: set[int], tr_s: Exact
) -> list[Stretch]:
    """What pairs of runs share whose films are one file, which may be nothing.

    Parameters
    ----------
    telling : runs in which something moves or is heard; a film that is still and silent stands for
        none, as where words alone are the stimulus
    """
    films = {}
    for number in sorted(telling & set(tracks)):
        with reading(str(files[number][0]), stage="stimulus", tr_s=tr_s) as file:
            if "film" in file.attrs:
                onset = as_fraction(str(file.attrs["movie_onset_s"]), "movie_onset_s")
                films[number] = (str(file.attrs["film"]), onset)
    found = []
    for a, (film, onset) in films.items():
        for b, (other, other_onset) in films.items():
            if a < b and film == other:
                later = float(other_onset - onset)
                (start, stop), (begin, end) = _shown_s(tracks[a]), _shown_s(tracks[b])
                start, stop = max(start, begin - later), min(stop, end - later)
                found.append(Stretch(a, b, start, stop, later, 0.0))
    return found


def _shown_s(track: Track) -> tuple[float, float]:
    """Scanner time between which a run's film shows something."""
    shown = np.flatnonzero(track.shown)
    if not len(shown):
        return 0.0, 0.0
    return float(shown[0]) * track.spacing_s, float(shown[-1] + 1) * track.spacing_s


def _movement_s(track: Track) -> float:
    """Seconds in which a track moves; 0 if that is too little to know it by."""
    _, change, whole = track.changes()
    moving = whole & (np.sqrt((change**2).mean(1)) >= STILL[track.kind])
    seconds = float(moving.sum()) * track.spacing_s
    return seconds if seconds >= LEAST_MOVEMENT_S else 0.0


def _compared(
    names: Sequence[str], tracks: Mapping[int, Track], known: set[tuple[int, int]]
) -> list[Common]:
    """What runs share by their pictures or sound, but for pairs that are known."""
    numbers = list(tracks)
    pairs = [
        (a, b)
        for a, one in enumerate(numbers)
        for b, two in enumerate(numbers)
        if one <= two and (one, two) not in known
    ]
    if not pairs:
        return []
    found = common_stretches([tracks[number] for number in numbers], pairs)
    why = WHY[tracks[numbers[0]].kind]
    placed = [replace(one, first=numbers[one.first], second=numbers[one.second]) for one in found]
    return [_named(one, names, why) for one in [*placed, *_between(placed)]]


def _between(found: Sequence[Stretch]) -> list[Stretch]:
    """What lies between stretches of one pair of runs that go on at nearly the same lag."""
    bridges = []
    for one in found:
        for two in found:
            same = (one.first, one.second) == (two.first, two.second)
            apart_s, drift_s = two.start_s - one.stop_s, abs(one.later_s - two.later_s)
            if same and 0 < apart_s <= BETWEEN_S and drift_s <= NEIGHBOUR_S:
                later_s = (one.later_s + two.later_s) / 2
                within_s = one.within_s + drift_s / 2
                bridges.append(
                    replace(
                        one,
                        start_s=one.stop_s,
                        stop_s=two.start_s,
                        later_s=later_s,
                        within_s=within_s,
                    )
                )
    return bridges


def _named(one: Stretch, names: Sequence[str], why: str) -> Common:
    return Common(
        names[one.first],
        names[one.second],
        one.start_s,
        one.stop_s,
        one.later_s,
        one.within_s,
        why,
    )
