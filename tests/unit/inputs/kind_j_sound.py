"""Sound whose channels or samples need interpretation."""

import struct

import numpy as np

from giblet.stimulus.audio import extract_audio
from tests.support.bad_inputs import Kind
from tests.support.counting_films import counting_film, heard
from tests.unit.stimulus.made_films import make_film, read_wav

KIND = Kind(
    "Sound that needs interpretation",
    "Every channel that a file names is mixed by its place; what a file does not say, and what a "
    "mix would lose, comes with a warning.",
)
RATE_HZ = 12000
PCM, FLOAT = 1, 3


def tones(n_channels, seconds=1, rate_hz=RATE_HZ):
    """A tone of another pitch in each channel, [samples, channels]."""
    times = np.arange(seconds * rate_hz) / rate_hz
    return np.stack(
        [0.5 * np.sin(2 * np.pi * (300 + 100 * n) * times) for n in range(n_channels)], axis=1
    )


def write_wave(path, samples, bits=16, kind=PCM, rate_hz=RATE_HZ):
    """A WAVE file without a mask of its channels."""
    if kind == FLOAT:
        data = samples.astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        data = np.rint(samples * 127 + 128).astype(np.uint8).tobytes()
    else:
        whole = np.rint(samples * (2 ** (bits - 1) - 1)).astype("<i4")
        data = whole.reshape(-1, 1).view(np.uint8)[:, : bits // 8].tobytes()
    size = samples.shape[1] * bits // 8
    form = struct.pack("<HHIIHH", kind, samples.shape[1], rate_hz, rate_hz * size, size, bits)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data))
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks) + len(data)) + chunks + data)
    return path


def pitches(path, n):
    """The `n` strongest whole frequencies of a second of sound."""
    sound = path.parent / "sound.wav"
    extract_audio(path, sound, tr_s=1, n_trs=1, sample_rate_hz=RATE_HZ)
    samples = read_wav(sound)[1]
    assert np.abs(samples).max() > 0.1
    return sorted(np.abs(np.fft.rfft(samples)).argsort()[-n:].tolist())


for bits, kind in ((8, PCM), (16, PCM), (24, PCM), (32, PCM), (32, FLOAT), (64, FLOAT)):

    @KIND.read(f"samples of {bits} bits, {'floating' if kind == FLOAT else 'whole numbers'}")
    def _(folder, bits=bits, kind=kind):
        path = write_wave(folder / "a.wav", tones(1), bits, kind)
        assert pitches(path, 1) == [300]
        assert abs(np.abs(read_wav(folder / "sound.wav")[1]).max() - 0.5) < 0.01


for rate_hz in (8000, 44056, 384000):

    @KIND.read(f"{rate_hz} samples a second")
    def _(folder, rate_hz=rate_hz):
        assert pitches(
            write_wave(folder / "a.wav", tones(1, rate_hz=rate_hz), rate_hz=rate_hz), 1
        ) == [300]


@KIND.read("two channels that are not called left and right")
def _(folder):
    assert pitches(write_wave(folder / "a.wav", tones(2)), 2) == [300, 400]


@KIND.read("5.1 channels that are named: speech in the centre stays")
def _(folder):
    sound = np.zeros((6, RATE_HZ), np.float32)
    sound[2] = tones(1)[:, 0]
    path = make_film(folder / "a.mkv", sound=sound, rate_hz=RATE_HZ, audio_codec="flac")
    assert pitches(path, 1) == [300]


@KIND.warned(
    "four channels that the file does not name",
    "…: has 4 channels of sound and does not say which they are; their mean is used. Export it in "
    "mono or stereo if they should not count alike",
)
def _(folder):
    assert pitches(write_wave(folder / "a.wav", tones(4)), 4) == [300, 400, 500, 600]


@KIND.warned(
    "twenty channels that the file does not name",
    "…: has 20 channels of sound and does not say which they are; their mean is used. …",
)
def _(folder):
    assert pitches(write_wave(folder / "a.wav", tones(20)), 20) == list(range(300, 2300, 100))


for n_channels, name, mixed in (
    (6, "5.1", [300, 400, 500, 700, 800]),
    (8, "7.1", [300, 400, 500, 700, 800, 900, 1000]),
):

    @KIND.warned(
        f"{n_channels} channels that the file does not name",
        f"…: has {n_channels} channels of sound and does not say which they are; they are taken as "
        f"{name} in the order of WAVE. Export it in mono or stereo if they are others",
    )
    def _(folder, n_channels=n_channels, mixed=mixed):
        # All but the channel of low effects, which a mix leaves out.
        assert pitches(write_wave(folder / "a.wav", tones(n_channels)), len(mixed)) == mixed


@KIND.warned(
    "samples that are no numbers",
    "…: its sound holds samples that are no numbers (NaN or infinite), the first at …; they are "
    "taken as silence. Export it again",
)
def _(folder):
    samples = tones(1)
    samples[5000:5010] = np.nan
    samples[9000] = np.inf
    assert pitches(write_wave(folder / "a.wav", samples, 32, FLOAT), 1) == [300]


@KIND.warned(
    "samples beyond full scale",
    "…: 6… % of its sound's samples are beyond full scale and are clipped. Export it at a lower "
    "level",
)
def _(folder):
    assert pitches(write_wave(folder / "a.wav", 4 * tones(1), 32, FLOAT), 1) == [300]


@KIND.warned(
    "left and right in opposite phase, which cancel in one channel",
    "…: less than a hundredth of its sound's power is left when its channels are mixed to one: "
    "they are in opposite phase, or only effects. Export it in mono",
)
def _(folder):
    samples = tones(1) * np.array([1, -1])
    path = write_wave(folder / "a.wav", samples)
    extract_audio(path, folder / "s.wav", tr_s=1, n_trs=1, sample_rate_hz=RATE_HZ)


@KIND.warned(
    "sound that is digital silence",
    "…: its sound is digital silence throughout; it is used as it is. Export it again if something "
    "was heard",
)
def _(folder):
    path = write_wave(folder / "a.wav", 0 * tones(2))
    extract_audio(path, folder / "s.wav", tr_s=1, n_trs=1, sample_rate_hz=RATE_HZ)


@KIND.warned("a stream of sound that is empty", "…: its audio stream is empty; silence is used")
def _(folder):
    path = write_wave(folder / "a.wav", tones(1)[:0])
    extract_audio(path, folder / "s.wav", tr_s=1, n_trs=1, sample_rate_hz=RATE_HZ)


@KIND.warned(
    "sound that changes from mono to stereo, and its rate, within a transport stream",
    "…: its time stamps start anew at …: 2 recordings in one file, …",
)
def _(folder):
    first = counting_film(folder / "1.ts", 2)
    stereo = np.tile(0.5 * np.sin(2 * np.pi * 1000 * np.arange(96000) / 48000), (2, 1))
    second = make_film(folder / "2.ts", [0, 0.5, 1, 1.5], sound=stereo, rate_hz=48000)
    path = folder / "film.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    # 1,000 Hz is the pitch of second 12.
    assert heard(path, n_trs=4) == [0, 1, 12, 12]
