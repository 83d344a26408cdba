"""The description of the full-size network is of the network itself, and does not drift."""

import json
import math
import xml.etree.ElementTree as ET

import pytest
import torch

from giblet.errors import ModelError
from giblet.model import describe
from giblet.model.describe import CONFIGS, described, diagram, layers, read_configs, table
from giblet.model.full_size import Sizes, network_arguments
from giblet.model.network import GibletNet
from tests.support.checkout import ROOT
from tests.support.networks import small_network

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def full():
    return described(read_configs(CONFIGS))


def test_committed_page_and_drawing_are_what_is_generated(full):
    page = (DOCS / "full-size.md").read_text(encoding="utf-8")
    said = "run python -m giblet.model.describe docs/full-size.md docs/full-size.svg"
    assert page == describe.with_generated(page, table(full)), said
    assert (DOCS / "full-size.svg").read_text(encoding="utf-8") == diagram(full), said


def test_full_size_keeps_to_what_was_asked_of_it(full):
    config = read_configs(CONFIGS)
    with torch.device("meta"):
        net = GibletNet(**network_arguments(config, Sizes()))
    widths = net.layer_widths()
    assert widths["7"] == 2048
    assert all(width > 2048 for layer, width in widths.items() if layer != "7")
    assert widths["5"] == 85_000
    total = sum(part.numel() for part in net.parameters())
    assert sum(layer.parameters for layer in full) == total < 600e6
    video = config["stimulus"]["video"]
    assert (video["width"], video["height"]) == (160, 90)
    assert video["frames_per_tr"] >= 8
    assert net.frames_out == 4
    assert config["features"]["audio"]["sample_rate_hz"] == 12_000
    train = config["train"]
    assert train["window_trs"] == 32
    assert train["batch_windows"] >= 4
    assert train["bf16"]
    assert all(part.dtype == torch.float32 for part in net.parameters())


@pytest.mark.parametrize("text_dim", [384, 768, 1024])
def test_embeddings_of_other_sizes_fit(text_dim):
    found = described(read_configs(CONFIGS), Sizes(text_dim=text_dim))
    assert sum(layer.parameters for layer in found) < 600e6


def test_every_parameter_is_counted_once():
    net = small_network()
    found = layers(net)
    assert [layer.name for layer in found] == list(describe.WHAT)
    assert sum(layer.parameters for layer in found) == sum(p.numel() for p in net.parameters())
    by_name = {layer.name: layer for layer in found}
    assert by_name["2C"].parameters == 12 * 12 + 12
    assert by_name["7"].units == 32
    assert by_name["13"].parameters > 0


def test_part_of_no_layer_is_named():
    net = small_network()
    net.extra = torch.nn.Linear(2, 2)
    with pytest.raises(ModelError, match=r"'extra\.weight' belongs to no layer"):
        layers(net)


def test_page_without_marks_is_refused():
    with pytest.raises(ModelError, match=r"notes\.md: lacks the lines"):
        describe.with_generated("# A page\n", "| table |", "notes.md")


def test_drawing_shows_every_layer_within_its_frame(full):
    tree = ET.fromstring(diagram(full))
    _, _, width, height = map(float, tree.attrib["viewBox"].split())
    space = "{http://www.w3.org/2000/svg}"
    titles = [title.text for title in tree.iter(f"{space}title")]
    assert {title.partition(":")[0] for title in titles} == set(describe.WHAT)
    for box in tree.iter(f"{space}rect"):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        assert 0 <= x <= x + float(box.get("width")) <= width
        assert 0 <= y <= y + float(box.get("height")) <= height


def test_command_rewrites_page_and_drawing(tmp_path, full):
    page, drawing = tmp_path / "page.md", tmp_path / "page.svg"
    page.write_text(f"# Title\n{describe.BEGIN}\nold\n{describe.END}\nend\n")
    describe.main([str(page), str(drawing)])
    text = page.read_text()
    assert text.startswith("# Title\n")
    assert text.endswith("\nend\n")
    assert "old" not in text
    assert table(full) in text
    assert drawing.read_text() == diagram(full)


def test_sizes_of_the_codec_are_those_of_the_packaged_one():
    folder = ROOT / "giblet" / "features" / "codecs" / "giblet-12khz"
    codec = json.loads((folder / "config.json").read_text())
    sizes = Sizes()
    assert sizes.latent_dim == codec["hidden_size"]
    assert sizes.codebook_size == codec["codebook_size"]
    assert sizes.hop_length == math.prod(codec["upsampling_ratios"])
