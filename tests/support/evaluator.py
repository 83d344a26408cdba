"""What changed settings do to a workflow, without planning a run for each.

Reads the rules under one configuration after the other, in one process: the files that jobs read
and write, and their params, tell what Snakemake would run again over finished results. Started in
a checkout, it reads a JSON object of ``base`` (settings on top of the tiny study's), ``changes``
(name -> further settings) and ``targets``, and answers ``jobs`` of the base and ``outcomes``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

BASE = Path("config", "datasets", "tiny.yaml")
# Below the results, a file of each rule with wildcards that the report of the tiny study does not
# need. Of the trainings two, as each ablation states some settings for itself.
ABLATED = ("audio/both/seed-1", "hrf/glover/seed-1")
SINGLE = ("predictions.h5", "audio/decoded.h5", "audio/metrics.csv", "fmri/metrics.csv")
FURTHER = (
    "features/run-1/video.h5",
    "train/ablation_audio/both/seed-1/scores.tsv",
    "train/ablation_hrf/ablation.csv",
    *(f"train/ablation_{name}/model.safetensors" for name in ABLATED),
    *(f"train/ablation_{name}/scores.h5" for name in ABLATED),
    *(f"validate/seeds/seed-2026/{name}" for name in SINGLE),
    *(f"validate/seeds/seed-2026/{name}/metrics.csv" for name in ("text", "video")),
)


class Job(NamedTuple):
    """A rule with its wildcards filled in; params without names, as Snakemake compares them."""

    rule: str
    script: str
    reads: frozenset[str]
    writes: frozenset[str]
    params: frozenset[str]
    code: str


class Outcome(NamedTuple):
    """What a changed configuration does, all as sorted names of rules.

    Parameters
    ----------
    refused
        Why the configuration cannot be used, else "".
    uses
        Rules of which a job differs by itself, in its params or files.
    again
        For each target, what Snakemake would run over results of the base configuration.
    edges
        Pairs of rules: the second reads what the first makes.
    """

    refused: str
    uses: list[str]
    again: dict[str, list[str]]
    edges: list[tuple[str, str]]


class Study:
    """The jobs of a workflow under one configuration, found by the files they make."""

    def __init__(self, workflow: Any) -> None:
        self.rules = [rule for rule in workflow.rules if rule.output]
        self.targets = {rule.name: rule for rule in workflow.rules if not rule.output}
        self.results = Path(workflow.globals["RESULTS"])
        self._made_by: dict[str, Job | None] = {}

    def making(self, path: str) -> Job | None:
        """The job that makes a file; None for a file that no rule makes."""
        if path not in self._made_by:
            makers = [rule for rule in self.rules if any(out.match(path) for out in rule.output)]
            if len(makers) > 1:
                raise ValueError(f"{path} is made by {[rule.name for rule in makers]}")
            job = _filled_in(makers[0], path) if makers else None
            self._made_by.update(dict.fromkeys([path, *(job.writes if job else [])], job))
        return self._made_by[path]

    def before(self, job: Job) -> set[Job]:
        """The jobs that make what a job reads."""
        return {maker for path in job.reads if (maker := self.making(path))}

    def needed(self, target: str) -> list[Job]:
        """Jobs that make what a target asks for, each after those that make what it reads."""
        asked = self.targets[target].expand_input({})[0]
        ordered: dict[Job, None] = {}

        def visit(job: Job) -> None:
            if job not in ordered:
                for maker in self.before(job):
                    visit(maker)
                ordered[job] = None

        for path in asked:
            if job := self.making(str(path)):
                visit(job)
        return list(ordered)

    def examples(self) -> set[Job]:
        """Jobs of the report, and one at least of every other rule."""
        plain = [path for rule in self.rules if not rule.has_wildcards() for path in rule.output]
        further = [*plain, *(self.results / name for name in FURTHER)]
        jobs = {job for path in further if (job := self.making(str(path)))}
        return jobs.union(self.needed("all"))

    def again(self, target: str, finished: set[Job]) -> set[str]:
        """Rules that Snakemake would run for a target where some jobs have run already."""
        stale: set[Job] = set()
        for job in self.needed(target):
            if job not in finished or not stale.isdisjoint(self.before(job)):
                stale.add(job)
        return {job.rule for job in stale}


def _filled_in(rule: Any, path: str) -> Job:
    wildcards = rule.get_wildcards(path)
    reads = rule.expand_input(wildcards)[0]
    writes = rule.expand_output(wildcards)[0]
    params, compared = rule.expand_params(wildcards, reads, writes, None)
    return Job(
        rule.name,
        Path(rule.script).name,
        frozenset(map(str, reads)),
        frozenset(map(str, writes)),
        frozenset(map(repr, compared)),
        params.code,
    )


def read(changes: Mapping[str, Any]) -> Study:
    """Read the Snakefile of the working directory under a changed configuration."""
    from snakemake.api import ConfigSettings, OutputSettings, ResourceSettings, SnakemakeApi
    from snakemake.settings.types import Quietness

    with SnakemakeApi(OutputSettings(quiet=set(Quietness))) as api:
        settings = ConfigSettings(configfiles=[BASE], config=deepcopy(dict(changes)))
        workflow = api.workflow(ResourceSettings(cores=1), settings, snakefile=Path("Snakefile"))
        return Study(workflow._workflow)


def outcome(base: Study, changed: Study, targets: Iterable[str]) -> Outcome:
    """Compare a changed configuration with the base, of which the report is finished."""
    finished, now = set(base.needed("all")), changed.examples()
    makers = {path: job.rule for job in now for path in job.writes}
    edges = {(makers[path], job.rule) for job in now for path in job.reads if path in makers}
    return Outcome(
        "",
        sorted({job.rule for job in now - base.examples()}),
        {target: sorted(changed.again(target, finished)) for target in targets},
        sorted(edges),
    )


def read_files_once() -> None:
    """Keep what depends on files alone: settings, schemas, rules' code, hashes of code, weights."""
    import snakemake.api  # Before its workflow, which imports it in turn.
    import snakemake.common.configfile as configfile
    import snakemake.workflow

    from giblet import config, fingerprint
    from giblet.features import weights

    settings, schema = cache(configfile.load_configfile), cache(config.load_schema)
    configfile.load_configfile = lambda path: deepcopy(settings(path))
    config.load_schema = lambda: deepcopy(schema())
    weights.weights_fingerprint = cache(weights.weights_fingerprint)
    of_code = cache(fingerprint.CodeIndex().fingerprint)
    fingerprint.CodeIndex.fingerprint = lambda _, script: of_code(script)
    snakemake.workflow.compile = cache(compile)
    parse, parsed = snakemake.workflow.parse, {}

    def parse_once(path: Any, workflow: Any, linemap: Any, rulecount: int) -> Any:
        key = path.get_path_or_uri(secret_free=True), rulecount
        if key not in parsed:
            parsed[key] = parse(path, workflow, linemap, rulecount=rulecount)
        return parsed[key]

    snakemake.workflow.parse = parse_once


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Jobs of the base configuration, and the outcome of each change."""
    from snakemake.exceptions import WorkflowError
    from snakemake.utils import update_config

    def with_changes(*changes: Mapping[str, Any]) -> Study:
        settings: dict[str, Any] = {}
        for change in (request["base"], *changes):
            update_config(settings, deepcopy(change))
        return read(settings)

    base = with_changes()
    outcomes = {}
    for name, change in request["changes"].items():
        try:
            outcomes[name] = outcome(base, with_changes(change), request["targets"])
        except WorkflowError as error:
            outcomes[name] = Outcome(str(error), [], {}, [])
    jobs = {job.rule: {"script": job.script, "code": job.code} for job in base.examples()}
    return {"jobs": jobs, "outcomes": {name: found._asdict() for name, found in outcomes.items()}}


def main() -> None:
    """Answer the request on standard input; what rules print goes to standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    sys.path.insert(0, ".")
    read_files_once()
    json.dump(answer(json.load(sys.stdin)), answers)


if __name__ == "__main__":
    main()
