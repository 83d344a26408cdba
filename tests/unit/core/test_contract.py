"""One name per stage, everywhere: rules, library, config, schema, tests, page."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
STAGES = ("simulate", "stimulus", "features", "brain", "align", "train", "validate")


@pytest.mark.parametrize("stage", STAGES)
def test_stage_has_all_its_places(stage):
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    assert stage in config
    for place in (
        f"rules/{stage}.smk",
        f"giblet/{stage}/__init__.py",
        f"config/schemas/{stage}.schema.yaml",
        f"tests/unit/{stage}",
        f"docs/{stage if stage != 'validate' else 'outputs'}.md",
    ):
        assert (ROOT / place).exists(), place
    assert list((ROOT / "workflow" / "scripts").glob(f"{stage}_*.py"))


def rule_files():
    return sorted((ROOT / "rules").glob("*.smk"))


@pytest.mark.parametrize("path", rule_files(), ids=lambda path: path.name)
def test_rules_are_short_and_say_what_they_need(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 200
    assert "lambda" not in text
    for rule in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]:
        if "script:" in rule:
            for part in ("log:", "benchmark:", "threads:", "resources:", "code=code("):
                assert part in rule, f"{path.name} rule {rule.splitlines()[0]} has no {part}"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "workflow" / "scripts").glob("*.py")), ids=lambda path: path.name
)
def test_scripts_only_unpack(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 45
    assert "with job(snakemake)" in text
    assert "snakemake.config" not in text


def test_stage_packages_import_nothing():
    for path in (ROOT / "giblet").rglob("__init__.py"):
        assert "import" not in re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL), path


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"
