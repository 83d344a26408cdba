"""The thirteen layers: widths, causality, subjects, missing modalities, sizes."""

import copy
from pathlib import Path

import pytest
import torch
import yaml

from giblet.errors import ModelError
from giblet.model.across_trs import ACROSS_TRS
from giblet.model.network import GibletNet
from giblet.model.within_tr import WITHIN_TR
from tests.support.networks import SMALL, random_stimulus, small_network

ROOT = Path(__file__).resolve().parents[3]


# Every way to read time at least once.
OPTIONS = [
    {"within_tr": within, "across_trs": across, "hrf": hrf}
    for within, across, hrf in zip(
        WITHIN_TR, [*ACROSS_TRS, "attention"], ["glover", "fir", "learned", "none"], strict=True
    )
]


@pytest.fixture(scope="module", params=OPTIONS, ids=lambda option: "-".join(option.values()))
def net(request):
    return small_network(**request.param)


@pytest.fixture(scope="module")
def stimulus():
    return random_stimulus()


def test_shapes_of_every_output(net, stimulus):
    drive = net.encode(stimulus, "sub-01")
    assert drive.shape == (1, 20, 40)
    assert net.bold(drive, 10).shape == (1, 10, 40)
    assert net.from_bold(drive, "sub-01", 14).shape == (1, 14, 40)
    made = net.decode(drive)
    assert made.video.shape == (1, 20, 1, 3, 12, 16)
    assert made.latents.shape == (1, 20, 57, 8)
    assert made.code_logits.shape == (1, 20, 57, 2, 16)
    assert made.text.shape == (1, 20, 12)


def test_layer_widths_are_those_of_the_tensors(net, stimulus):
    """What layer_widths states, counted while the network runs."""
    seen = {}

    def note(name, per_tr):
        def hook(module, inputs, output):
            first = output[0] if isinstance(output, tuple) else output
            parts = first if isinstance(first, list) else [first]
            seen[name] = sum(part.numel() for part in parts) // per_tr

        return hook

    n_trs = 20
    modules = {
        "4": net.context_in, "5": net.brain, "6": net.volume_in,
        "7": net.bottleneck, "9": net.volume_out, "10": net.context_out,
        "2A": net.video_in.second, "2B": net.audio_in.scales, "2C": net.text_in,
        "12A": net.video_out.up, "12B": net.audio_out.scales, "12C": net.text_out,
        "11": net.unpool,
    }  # fmt: skip
    seen["3"] = sum(part.shape[2] for part in net.raw_features(stimulus))
    handles = [m.register_forward_hook(note(name, n_trs)) for name, m in modules.items()]
    try:
        net.decode(net.encode(stimulus))
    finally:
        for handle in handles:
            handle.remove()
    stated = net.layer_widths()
    for name in ("3", "4", "5", "6", "7", "9", "10", "11"):
        assert seen[name] == stated[name], name
    assert seen["2A"] + seen["2B"] + seen["2C"] == stated["2"]
    assert seen["12A"] + seen["12B"] + seen["12C"] == stated["12"]
    assert list(stated) == [str(number) for number in range(1, 14)]


def test_wide_bottleneck_names_both_widths():
    with pytest.raises(ModelError, match=r"layer 5 has 40 units, the bottleneck \(layer 7\) 40"):
        small_network(bottleneck=40)


def test_small_volume_names_the_setting():
    with pytest.raises(ModelError, match=r"layer 6 has 24 units.*model/volume_channels"):
        small_network(volume_channels=[3])


SIZES = {"tiny": (1102, [12, 15, 12]), "sherlock": (70_000, [53, 63, 52]), "": (3666, [18, 22, 18])}

FULL = (85_000, [61, 73, 61])


def shipped():
    """Model settings of every shipped configuration, with sizes of its kind of study."""
    config = ROOT / "config"
    schema = yaml.safe_load((config / "schemas" / "model.schema.yaml").read_text())
    default = {name: part["default"] for name, part in schema["properties"].items()}
    yield "defaults", default, SIZES["sherlock"]
    demo = {**default, **yaml.safe_load((config / "config.yaml").read_text())["model"]}
    yield "demo", demo, SIZES[""]
    for path in sorted(config.glob("model/*.yaml")):
        yield path.stem, {**demo, **yaml.safe_load(path.read_text())["model"]}, FULL
    for path in sorted(config.glob("datasets/*.yaml")):
        model = {**demo, **(yaml.safe_load(path.read_text()) or {}).get("model", {})}
        if model != demo:
            yield path.stem, model, next(SIZES[name] for name in SIZES if name in path.stem)


@pytest.mark.parametrize(
    ("model", "size"), [pytest.param(m, s, id=name) for name, m, s in shipped()]
)
def test_bottleneck_is_the_narrowest_of_every_shipped_configuration(model, size):
    drop = ("name", "hrf_delays", "hrf_group_voxels", "follow_s")
    choices = {k: v for k, v in model.items() if k not in drop}
    choices["frames_out"] = min(choices["frames_out"], 4)
    study = {"n_voxels": size[0], "grid_shape": size[1], "frames": 4, "height": 90, "width": 160}
    codec = {"n_codebooks": 8, "codebook_size": 1024, "latent_dim": 64, "n_mels": 64}
    with torch.device("meta"):
        net = GibletNet(**{**SMALL, **choices, **study, **codec, "text_dim": 384})
    widths = net.layer_widths()
    assert all(width > widths["7"] for layer, width in widths.items() if layer != "7")


def test_sherlock_size_on_the_meta_device():
    sizes = {
        "n_voxels": 85_000, "grid_shape": [61, 73, 61], "frames": 8, "height": 90, "width": 160,
        "frames_out": 4, "n_codebooks": 8, "codebook_size": 1024, "latent_dim": 128,
        "n_mels": 64, "text_dim": 1024, "bottleneck": 2048, "video_width": 2048,
        "audio_width": 1024, "text_width": 1024, "video_channels": 32, "video_stride": 5,
        "video_grid": [9, 16], "audio_channels": 64, "context_hidden": 512, "brain_rank": 512,
        "volume_channels": [8, 16, 24], "hrf_groups": 85_000,
        "subjects": [f"sub-{n:02d}" for n in range(17)],
    }  # fmt: skip
    with torch.device("meta"):
        net = GibletNet(**{**SMALL, **sizes})
    n_parameters = sum(part.numel() for part in net.parameters())
    assert 1e8 < n_parameters < 6e8
    assert all(part.is_meta for part in net.state_dict().values())


def test_bold_depends_on_no_later_stimulus(net, stimulus):
    later = copy.deepcopy(stimulus)
    for name in ("video", "codes", "latents", "log_mel", "text"):
        value = getattr(later, name)
        value[:, 12:] = value[:, 12:].flip(1)
    before, after = (net.bold(net.encode(s, 0)) for s in (stimulus, later))
    torch.testing.assert_close(before[:, :12], after[:, :12], rtol=0, atol=1e-6)
    assert (before[:, 13:] - after[:, 13:]).abs().max() > 1e-3


def test_context_trs_is_all_that_bold_depends_on(net):
    long = random_stimulus(n_trs=40, seed=3)
    whole = net.bold(net.encode(long))[:, -4:]
    part = long.trs(40 - 4 - net.context_trs)
    torch.testing.assert_close(net.bold(net.encode(part), 4), whole, rtol=1e-4, atol=1e-5)
    less = net.bold(net.encode(long.trs(40 - 4 - net.context_trs + 4)), 4)
    assert (less - whole).abs().max() > 1e-5


def test_subjects_share_a_map_and_have_a_part_of_their_own(net, stimulus):
    shared = net.encode(stimulus)
    torch.testing.assert_close(net.encode(stimulus, "sub-99"), shared)
    one, two = (net.encode(stimulus, name) for name in net.subjects)
    assert (one - shared).abs().max() > 1e-3
    assert (one - two).abs().max() > 1e-3
    bold = torch.randn(1, 20, 40)
    assert (net.from_bold(bold, "sub-01") - net.from_bold(bold, "sub-02")).abs().max() > 1e-3


def test_codes_are_names_not_quantities(net, stimulus):
    """Renaming the codes together with their embeddings changes nothing."""
    renamed = copy.deepcopy(net)
    order = torch.randperm(16)
    table = renamed.audio_in.embed.data.view(2, 16, -1)
    table.copy_(table[:, torch.argsort(order)].clone())
    other = copy.deepcopy(stimulus)
    other.codes = order[stimulus.codes]
    assert not torch.equal(other.codes, stimulus.codes)
    torch.testing.assert_close(renamed.encode(other), net.encode(stimulus))
    assert (net.encode(other) - net.encode(stimulus)).abs().max() > 1e-4


def test_what_is_not_there_has_no_effect(net, stimulus):
    quiet, other = copy.deepcopy(stimulus), copy.deepcopy(stimulus)
    for part in (quiet, other):
        part.text_valid[:, 5:8] = False
        part.audio_mask[:, 5:8] = False
        part.valid[:, 15:] = False
    other.text[:, 5:8] = 9
    other.latents[:, 5:8] = 9
    other.video[:, 15:] = 255
    torch.testing.assert_close(net.encode(other), net.encode(quiet))
    keep = torch.tensor([[False, True, True]])
    blind = copy.deepcopy(stimulus)
    blind.video[:] = 0
    torch.testing.assert_close(net.features(blind, keep), net.features(stimulus, keep))


def test_chosen_code_frames_are_those_of_the_whole(net, stimulus):
    drive = net.encode(stimulus)
    picked = torch.tensor([3, 40])
    torch.testing.assert_close(
        net.decode(drive, picked).code_logits, net.decode(drive).code_logits[:, :, picked]
    )


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: "-".join(option.values()))
def test_every_parameter_is_reached_by_a_gradient(stimulus, option):
    net = small_network(**option)
    drive = net.encode(stimulus, 0)
    bold = net.bold(drive)
    made = net.decode(
        torch.cat([drive, net.from_bold(bold, 1), net.drive(net.features(stimulus), 1)])
    )
    total = bold.square().sum()
    for part in (made.video, made.latents, made.code_logits, made.text):
        total = total + part.square().sum()
    total.backward()
    unreached = [name for name, p in net.named_parameters() if p.grad is None]
    fixed = {name for name, p in net.named_parameters() if not p.requires_grad}
    assert set(unreached) <= {"own_gain"} | fixed
    assert net.own_gain.grad is None or net.own_gain.grad[1].any()


def test_parcels_have_no_volume():
    net = small_network(grid_shape=[], parcel_width=48)
    made = net.decode(net.encode(random_stimulus(n_trs=4)))
    assert made.text.shape == (1, 4, 12)
    assert net.layer_widths()["6"] == 48


def test_no_batch_statistics(net, stimulus):
    """Windows in a batch do not see each other."""
    two = random_stimulus(n_windows=2, seed=5)
    both = net.decode(net.encode(two)).text
    alone = net.decode(net.encode(type(two)(**{k: v[:1] for k, v in vars(two).items()}))).text
    torch.testing.assert_close(both[:1], alone, rtol=1e-4, atol=1e-5)
