"""Verbs about roll-outs: show, canary, shadow, share, rule, stop, judge, watch."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, table, workspace
from axiom.cli.models import split_reference
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.pipelines.rollout import Judgement
    from axiom.registry.registry import ModelVersion
    from axiom.registry.rollout import RollOut
    from axiom.registry.trials import Rule

rollout = typer.Typer(
    no_args_is_help=True, help="Try a version on live requests: show, canary, shadow, share, rule, stop, judge, watch."
)

Reference = Annotated[str, typer.Argument(help="name@version.")]
Name = Annotated[str, typer.Argument(help="Name of the model.")]
Names = Annotated[list[str] | None, typer.Argument(help="Names of models. Default: all.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit trail.")]
RuleText = Annotated[
    str | None,
    typer.Option("--rule", help="What decides: like 'outcome; min 500; alpha 0.05', or a YAML file. Default: people."),
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(rollout, name="rollout")


@rollout.command("show", epilog="Example: axiom rollout show churn")
def show(name: Name, json: JsonFlag = False) -> None:
    """Who answers which share of the customers, and what decides about it."""
    with workspace() as ws:
        found = ws.registry.rollout(name)
    _emit(found, json=json)


@rollout.command(
    "canary", epilog="Example: axiom rollout canary churn@3 --share 0.1 --rule 'outcome; min 500' --reason 'try it'"
)
def canary(
    reference: Reference,
    reason: Reason,
    share: Annotated[float, typer.Option(help="Part of the customers that it answers, 0 to 1.")],
    rule: RuleText = None,
    json: JsonFlag = False,
) -> None:
    """Let a version answer a sticky share of the customers."""
    _start(reference, "canary", reason, rule, share=share, json=json)


@rollout.command("shadow", epilog="Example: axiom rollout shadow churn@3 --rule agreement --reason 'same answers?'")
def shadow(reference: Reference, reason: Reason, rule: RuleText = None, json: JsonFlag = False) -> None:
    """Ask a version beside the champion, without giving its answers to anybody."""
    _start(reference, "shadow", reason, rule, share=0.0, json=json)


@rollout.command("share", epilog="Example: axiom rollout share churn 0.5 --reason 'no complaints'")
def share_of(
    name: Name,
    share: Annotated[float, typer.Argument(help="Part of the customers that the canary answers, 0 to 1.")],
    reason: Reason,
    json: JsonFlag = False,
) -> None:
    """Give the canary another share; who has it keeps it while the share grows."""
    from axiom.registry.steering import set_share

    with workspace() as ws:
        found = set_share(ws.registry, name, share, actor=getpass.getuser(), reason=reason)
    _emit(found, json=json)


@rollout.command("rule", epilog="Example: axiom rollout rule churn@3 'outcome; min 1000' --reason 'be surer'")
def rule_of(
    reference: Reference,
    rule: Annotated[str, typer.Argument(help="Like 'outcome; min 500; alpha 0.05', a YAML file, or `none`.")],
    reason: Reason,
    json: JsonFlag = False,
) -> None:
    """Declare what decides about a canary or shadow; its evidence starts anew."""
    from axiom.registry.steering import set_rule

    declared = None if rule == "none" else _rule(rule)
    name, version = _numbered(reference)
    with workspace() as ws:
        found = set_rule(ws.registry, name, version, declared, actor=getpass.getuser(), reason=reason)
    _emit(found, json=json)


@rollout.command("stop", epilog="Example: axiom rollout stop churn --reason 'slow answers'")
def stop(
    reference: Annotated[str, typer.Argument(help="name for its canary, or name@version.")],
    reason: Reason,
    archive: Annotated[bool, typer.Option("--archive", help="Archive it, instead of keeping it as candidate.")] = False,
    json: JsonFlag = False,
) -> None:
    """End a trial: the champion answers everybody again."""
    from axiom.registry.steering import stop as run

    name, version = _numbered(reference) if "@" in reference else (reference, None)
    with workspace() as ws:
        found = run(
            ws.registry,
            name,
            version,
            to="archived" if archive else "candidate",
            actor=getpass.getuser(),
            reason=reason,
        )
    _emit(found, json=json)


@rollout.command("judge", epilog="Example: axiom rollout judge churn --dry-run")
def judge(
    names: Names = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    json: JsonFlag = False,
) -> None:
    """Look at the evidence, and promote, archive or stop as the declared rules say."""
    from axiom.pipelines.rollout import judge_rollouts

    with workspace() as ws:
        judged = judge_rollouts(ws, names or None, apply=not dry_run)
    emit({"judged": [one.to_dict() for one in judged], "applied": not dry_run}, as_json=json, lines=_told(judged))


@rollout.command("watch", epilog="Example: axiom rollout watch --every 3600")
def watch(
    names: Names = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks.")] = 3600.0,
    json: JsonFlag = False,
) -> None:
    """Judge again and again, until interrupted; with --json one object a round."""
    import sys
    import threading

    from axiom.pipelines.rollout import watch_rollouts

    def report(judged: list[Judgement]) -> None:
        emit({"judged": [one.to_dict() for one in judged]}, as_json=json, lines=_told(judged))
        sys.stdout.flush()  # whoever reads along through a pipe sees each round as it comes

    with workspace() as ws:
        try:
            watch_rollouts(ws, names or None, every=every, stop=threading.Event(), on_round=report)
        except KeyboardInterrupt:
            return


def _start(reference: str, stage: Any, reason: str, rule: str | None, *, share: float, json: bool) -> None:
    from axiom.pipelines.rollout import start_trial

    declared = None if rule is None else _rule(rule)
    name, version = _numbered(reference)
    with workspace() as ws:
        actor = getpass.getuser()
        found = start_trial(ws, name, version, stage, actor=actor, reason=reason, share=share, rule=declared)
    _emit(found, json=json)


def _numbered(reference: str) -> tuple[str, int]:
    name, which = split_reference(reference)
    if not which.isdecimal():
        raise MisuseError(f"{reference!r} names no version number", hint="write it like churn@3")
    return name, int(which)


def _rule(text: str) -> Rule:
    from axiom.registry.trials import parse_rule, rule_from

    if not text.endswith((".yaml", ".yml")):
        return parse_rule(text)
    import yaml

    try:
        found = yaml.safe_load(Path(text).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MisuseError(f"the rule {text} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise MisuseError(f"the rule {text} is no mapping", hint="kind: outcome, min_sample: 500, alpha: 0.05")
    return rule_from(found)


def _emit(found: RollOut, *, json: bool) -> None:
    on_trial = [version for version in (found.canary, *found.shadows) if version is not None]
    rows = [_row(found, version) for version in ([found.champion] if found.champion else []) + on_trial]
    emit(
        {"name": found.name, "revision": found.revision, "salt": found.salt, "versions": rows},
        as_json=json,
        lines=table(rows),
    )


def _row(found: RollOut, version: ModelVersion) -> dict[str, Any]:
    trial = None if version == found.champion else found.trials.get(version.version)
    shares = {"champion": 1 - found.canary_share, "canary": found.canary_share}
    return {
        "model": version.ref,
        "stage": version.stage,
        "share": shares.get(version.stage, 0.0),
        "since": None if trial is None else trial.since.isoformat(timespec="seconds"),
        "rule": None if trial is None or trial.rule is None else str(trial.rule),
    }


def _told(judged: Sequence[Judgement]) -> list[str]:
    if not judged:
        return ["nothing is on trial by a declared rule"]
    return [f"{one.model} ({one.stage}): {one.evidence.verdict}, {one.action}: {one.evidence.why}" for one in judged]
