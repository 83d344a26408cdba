"""How runs on a host are, for people and as JSON."""

from __future__ import annotations

import json
from typing import Any

from giblet.remote.places import Host, Run, options
from giblet.remote.refusals import in_words
from giblet.remote.runner import Answer, Refusal, Runner

LOST = "gone without a word: killed, or the machine restarted"


def read_status(
    host: Host, run: Run | None, lines: int, as_json: bool, dry_run: bool
) -> list[dict[str, Any]]:
    """State of one run, or in short of all on the host.

    Returns
    -------
    for each run ``run`` (its folder's name), ``state`` (running, finished, failed, cancelled,
    lost, elsewhere or never started), ``exit_status``, ``how``, ``where``, ``what`` (session or
    job), ``record``; of one run also ``log`` (its last lines) and ``workflow`` (what ``giblet
    status`` says there, None where it says nothing) or ``workflow_error``
    """
    try:
        answer = Runner(host, dry_run).script(
            "status",
            slug=run.slug if run else "",
            lines=lines,
            json=as_json,
        )
    except Refusal as refusal:
        raise in_words(refusal, host, run) from None
    if run is None:
        return [_state(each) for each in _each_run(answer)]
    if dry_run:
        return []
    found = _state(answer)
    found["log"] = answer.lines("log")
    found["workflow"] = "\n".join(answer.lines("workflow")) or None
    if as_json and found["workflow"]:
        try:
            found["workflow"] = json.loads(found["workflow"])
        except ValueError:
            found["workflow"] = None
    if "workflow_failed" in answer:
        found["workflow_error"] = answer.get("workflow_failed")
    return [found]


def _each_run(answer: Answer) -> list[Answer]:
    parts: list[Answer] = []
    for block in answer.blocks:
        if block[0] == "run":
            parts.append(Answer())
        if parts:
            parts[-1].blocks.append(block)
    return parts


def _state(answer: Answer) -> dict[str, Any]:
    state, status = answer.get("state"), answer.get("exit")
    if state == "ended":
        state = "finished" if status == "0" else "failed"
    if state in ("failed", "lost") and answer.get("cancelled"):
        state = "cancelled"
    return {
        "run": answer.get("run"),
        "state": "never started" if state == "never" else state,
        "exit_status": int(status) if status.isdigit() else None,
        "how": answer.get("how") or None,
        "where": answer.get("where") or None,
        "what": answer.get("what") or None,
        "record": json.loads("\n".join(answer.lines("record")) or "null"),
    }


def in_short(found: dict[str, Any]) -> str:
    """One line on a run."""
    record = found["record"] or {}
    code = record.get("commit", "")[:10] + (
        "+changes" if record.get("changed") or record.get("untracked") else ""
    )
    return (
        f"{record.get('run', found['run'])}: {found['state']}, {record.get('target', '?')}, "
        f"sent {record.get('sent', '?')}, code {code or '?'}"
    )


def in_full(found: dict[str, Any], host: Host, run: Run) -> str:
    """All that is known of one run."""
    lines = [in_short(found)]
    if found["state"] == "running":
        job = "tmux session" if found["how"] == "tmux" else "Slurm job"
        lines.append(f"  {job} {found['what']} on {found['where']}")
    elif found["state"] == "lost":
        lines.append(f"  {LOST}: giblet remote train {run.words()} --resume")
    elif found["state"] == "failed":
        lines.append(f"  Snakemake ended with status {found['exit_status']}")
    elif found["state"] == "elsewhere":
        lines.append(
            f"  started on {found['where']}, this is another machine: use --host with that"
        )
    if found["workflow"]:
        lines += ["", found["workflow"]]
    elif found.get("workflow_error"):
        lines.append(f"  giblet status there: {found['workflow_error']}")
    if found["log"]:
        lines += ["", "last lines of run.log:", *(f"  {line}" for line in found["log"])]
    if found["state"] == "finished":
        lines += ["", f"giblet remote fetch {options(host, run.name)}"]
    return "\n".join(lines)
