"""All sources joined: the state of a study at this moment."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from giblet.errors import WatchError
from giblet.watching import slurm
from giblet.watching.disk import disk
from giblet.watching.plan import Plan, PlannedJob, make_plan
from giblet.watching.runlog import LoggedJob, Run, is_going, newest_runs, slurm_log
from giblet.watching.state import (
    STAGES,
    GoneRule,
    JobState,
    RunState,
    StageState,
    StaleRule,
    Status,
    job_key,
)
from giblet.watching.study import Study
from giblet.watching.tails import last_error
from giblet.watching.training import last_checkpoint, tensorboard, trainings

# Logs to look through for the newest run of the study: others may have run in the folder since.
MAX_LOGS = 20
_DOWNSTREAM = "Input files updated by another job"


def collect(study: Study) -> Status:
    """Look at everything there is to know about a study.

    It takes as long as a dry run of Snakemake. What cannot be found out is named among the
    problems; the rest is told all the same.
    """
    problems: list[str] = []
    plan = _plan(study, problems)
    dataset = (plan.dataset if plan else None) or study.dataset
    run = find_run(study, dataset)
    going = run is not None and is_going(run)
    if plan and run:
        plan = _without_finished(plan, run)
    jobs = [] if run is None else job_states(run, study.results, going, plan, problems)
    gone = [] if plan is None or going else plan.gone(study.results)
    stages = [] if plan is None else _stages(study, plan, jobs, gone)
    watched = [] if dataset is None else trainings(study.results, dataset)
    return Status(
        state=_overall(plan, jobs, going, gone),
        time=time.time(),
        folder=str(study.results),
        dataset=dataset,
        chosen=study.chosen,
        options=list(study.options),
        run=None if run is None else _run_state(run, going),
        stages=stages,
        jobs=jobs,
        stale=[] if plan is None else _stale(study, plan, jobs),
        gone=_gone(study, gone),
        training=watched,
        disk=disk(study.results, dataset),
        checkpoint=last_checkpoint(study.results, dataset) if dataset and _trains(plan) else None,
        tensorboard=None if dataset is None else tensorboard(study.results, dataset),
        problems=problems,
    )


def _plan(study: Study, problems: list[str]) -> Plan | None:
    newest = next(newest_runs(study.results), None)
    # A job that ends at this moment can put a dry run out of step: once more then.
    for tries_left in (1, 0) if newest is not None and is_going(newest) else (0,):
        try:
            return make_plan(study)
        except WatchError as error:
            if not tries_left:
                problems.append(f"the study cannot be planned: {error}")
    return None


def find_run(study: Study, dataset: str | None) -> Run | None:
    """The newest run that made results of the data set, or is about to make some."""
    for number, run in enumerate(newest_runs(study.results)):
        if number == MAX_LOGS:
            break
        if dataset is None or run.dataset == dataset:
            return run
        if number == 0 and run.dataset is None and is_going(run):
            return run
    return None


def _without_finished(plan: Plan, run: Run) -> Plan:
    """The plan less what a run has finished while the plan was made."""
    finished = {
        job.key
        for job in run.jobs.values()
        if job.state == "finished" and job.ended is not None and job.ended >= plan.asked - 1
    }
    return replace(plan, left=[job for job in plan.left if job.key not in finished])


def job_states(
    run: Run, folder: Path, going: bool, plan: Plan | None, problems: list[str]
) -> list[JobState]:
    """Jobs of a run that are queued, running or failed and not made since."""
    left = None if plan is None else {job.key for job in plan.left}
    known = None if plan is None else {job.key for job in plan.all}
    open_jobs = [
        job
        for job in run.jobs.values()
        if job.outputs
        and job.state != "finished"
        # Of a job that belongs to another target the plan says nothing.
        and (left is None or known is None or job.key in left or job.key not in known)
    ]
    asked = [job.slurm_id for job in open_jobs if job.slurm_id]
    answers, complaints = slurm.ask(run.slurm_run_id, asked)
    problems.extend(complaints)
    now = time.time()
    found = []
    for job in open_jobs:
        state = _job_state(job, answers.get(job.slurm_id or ""), going, now)
        log = slurm_log(job, folder)
        state.slurm_log = None if log is None else str(log)
        if state.state == "failed":
            # What the job itself said last tells more than that it failed.
            state.message = last_error(folder, job.logs) or state.message
        found.append(state)
    order = ("running", "queued", "failed")
    return sorted(found, key=lambda job: order.index(job.state))


def _job_state(job: LoggedJob, told: slurm.SlurmJob | None, going: bool, now: float) -> JobState:
    state, message = _what_it_does(job, told, going)
    end = now if state != "failed" else job.ended
    seconds = None if job.started is None or end is None else max(end - job.started, 0.0)
    if told is not None and state != "queued" and told.seconds is not None:
        seconds = told.seconds
    return JobState(
        state=state,
        rule=job.rule,
        stage=job.stage,
        wildcards=job.wildcards,
        seconds=seconds,
        attempt=job.attempt,
        message=message,
        logs=job.logs,
        slurm_id=job.slurm_id,
        slurm_state=told.state if told else None,
        slurm_reason=told.reason or None if told else None,
        slurm_nodes=told.nodes or None if told else None,
        slurm_log=None,
    )


def _what_it_does(job: LoggedJob, told: slurm.SlurmJob | None, going: bool) -> tuple[str, str]:
    """State of a job that has not finished, and what there is to say about a failed one."""
    if job.state == "failed":
        return "failed", job.message
    if told is not None and told.state in slurm.QUEUED:
        return "queued", ""
    if told is not None and told.state in slurm.RUNNING:
        return "running", ""
    if told is not None and told.state in slurm.FAILED:
        reason = f" ({told.reason})" if told.reason else ""
        return "failed", f"Slurm: {told.state}{reason}"
    if not going:
        return "failed", "interrupted: the Snakemake that started it has gone"
    if job.state == "restarting":
        return "queued", ""
    return "running", ""


def _stages(
    study: Study, plan: Plan, jobs: Iterable[JobState], gone: Iterable[PlannedJob]
) -> list[StageState]:
    missing = {job.key for job in gone}
    stages = {name: StageState(name) for name in STAGES}
    left = {job.key for job in plan.left}
    at_work = {job_key(job.rule, job.wildcards): job.state for job in jobs}
    for job in plan.all:
        stage = stages.get(job.stage or "")
        if stage is None:
            continue
        stage.total += 1
        if job.key not in left and job.key not in missing:
            stage.done += 1
            continue
        stage.left += 1
        if job.key in missing:
            stage.gone += 1
            continue
        state = at_work.get(job.key)
        stage.running += state == "running"
        stage.queued += state == "queued"
        stage.failed += state == "failed"
        stage.stale += _is_stale(study, job, state)
    return [stage for stage in stages.values() if stage.total]


def _is_stale(study: Study, job: PlannedJob, state: str | None) -> bool:
    """Whether a job's results are there and do not count; Snakemake removes those it remakes."""
    return state is None and job.is_made(study.results)


def _stale(study: Study, plan: Plan, jobs: Iterable[JobState]) -> list[StaleRule]:
    """Rules with stale results, those that others follow from first."""
    at_work = {job_key(job.rule, job.wildcards): job.state for job in jobs}
    stale = [job for job in plan.left if _is_stale(study, job, at_work.get(job.key))]
    counts = Counter(job.rule for job in stale)
    found: dict[str, StaleRule] = {}
    for job in stale:
        causes = _causes(job.reason)
        # One job of a rule may follow from what another one only reads.
        one = found.setdefault(
            job.rule, StaleRule(job.rule, job.stage, counts[job.rule], "; ".join(causes), True)
        )
        if one.follows and causes != [_DOWNSTREAM]:
            one.reason, one.follows = "; ".join(causes), False
    return sorted(found.values(), key=lambda one: one.follows)


def _gone(study: Study, gone: Iterable[PlannedJob]) -> list[GoneRule]:
    found: dict[str, GoneRule] = {}
    for job in gone:
        one = found.setdefault(job.rule, GoneRule(job.rule, job.stage, []))
        one.paths += [path for path in job.outputs if not (study.results / path).exists()]
    return list(found.values())


def _trains(plan: Plan | None) -> bool:
    """Whether a training is left that a checkpoint could be of; if not, all are of old settings."""
    return plan is None or any(job.stage == "train" for job in plan.left)


def _causes(reason: str) -> list[str]:
    """Causes without lists of files, which may be hundreds, and without fingerprints."""
    causes = [cause.split(": ")[0].strip() for cause in reason.split("; ")]
    own = [cause for cause in causes if cause != _DOWNSTREAM]
    return list(dict.fromkeys(own)) or [_DOWNSTREAM]


def _run_state(run: Run, going: bool) -> RunState:
    return RunState(
        state="going" if going else "ended" if run.ended else "killed",
        command=run.header.get("Command", ""),
        host=run.header.get("Host", ""),
        started=_began(run),
        steps_done=run.steps_done,
        steps=run.steps,
        log=str(run.path),
        slurm_run_id=run.slurm_run_id,
    )


def _began(run: Run) -> float | None:
    """When a run was started, or else its first job; its header may be left out."""
    try:
        return time.mktime(time.strptime(run.header["Date"], "%Y-%m-%d %H:%M:%S"))
    except (KeyError, ValueError):
        return min((job.started for job in run.jobs.values() if job.started), default=None)


def _overall(
    plan: Plan | None, jobs: Iterable[JobState], going: bool, gone: Sequence[PlannedJob]
) -> str:
    states = {job.state for job in jobs}
    if plan is None or "failed" in states:
        return "failed"
    if going or states:
        return "going"
    return "idle" if plan.left or gone else "done"
