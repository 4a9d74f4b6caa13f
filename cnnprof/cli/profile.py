"""``cnnprof profile``: how long every layer takes."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cnnprof.cli.commands import Command
from cnnprof.cli.parameters import announce, complete_model, names, numbers, settings
from cnnprof.errors import CnnprofError, MissingPackageError, UsageError
from cnnprof.readers import runs_code
from cnnprof.report import FORMATS, SUFFIXES, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnprof.cli.attempts import Attempts
    from cnnprof.cli.output import Target
    from cnnprof.measure.session import Measured, Session
    from cnnprof.model.run import Part, Run
    from cnnprof.report.base import Report

PARTIAL = 4
FAILED = 2
_SAID = (click.core.ParameterSource.COMMANDLINE,)
_FIXED = {
    "--device", "--batch", "--dtype", "--input", "--set", "--freeze", "--channels-last", "--threads", "--compile",
    "--training", "--temperature", "--budget", "--interval",
}  # fmt: skip
"""What a run has had since it began."""
_SECONDS = {"": 1, "s": 1, "ms": 1e-3, "m": 60, "min": 60, "h": 3600}


class Options(NamedTuple):
    """The command line, parsed."""

    models: tuple[str, ...]
    devices: tuple[str, ...]
    batches: tuple[int, ...]
    dtypes: tuple[str, ...]
    sizes: tuple[str, ...]
    settings: tuple[str, ...]
    freeze: tuple[str, ...]
    channels_last: bool
    threads: int | None
    compiled: bool
    training: Any
    temperature: bool
    confirm: bool
    budget: float
    interval: float
    python: str | None
    store: str | None
    unstored: bool
    resume: str | None
    depth: int | None
    columns: tuple[str, ...] | None
    sort: str | None
    top: int | None
    chosen: str | None
    outputs: tuple[str, ...]
    quiet: bool


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    """Return the seconds in ``30s``, ``500ms``, ``2m``."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-z]*)", value)
    if found is None or found[2] not in _SECONDS or not float(found[1]):
        raise click.BadParameter(f"{value!r} is no time such as 30s, 500ms or 2m")
    return float(found[1]) * _SECONDS[found[2]]


def _share(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    """Return the fraction in ``2%``."""
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*%", value)
    if found is None or not 0 < float(found[1]) <= 100:  # noqa: PLR2004 a whole, in hundredths
        raise click.BadParameter(f"{value!r} is no share such as 2%")
    return float(found[1]) / 100


@click.command(cls=Command)
@click.argument("models", nargs=-1, metavar="MODEL...", shell_complete=complete_model)
@click.option(
    "--device", "devices", multiple=True, metavar="DEVICE", help="cpu; cuda, cuda:1; fake, fake:FILE; again for more."
)
@click.option(
    "--batch", "batches", callback=numbers, default="1", metavar="N,...", help="Samples per forward, with commas."
)
@click.option(
    "--dtype", "dtypes", callback=names, default="float32", metavar="TYPE,...", help="Any floats, or tf32, with commas."
)
@click.option("--input", "sizes", multiple=True, metavar="CxHxW", help="Another input size, such as 3x224x224.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Another value of a parameter.")
@click.option("--freeze", multiple=True, metavar="GLOB", help="Layers that do not train, by their full names.")
@click.option("--channels-last", is_flag=True, help="Lay images out as NxHxWxC in memory.")
@click.option("--threads", type=click.IntRange(1, 4096), metavar="N", help="Of torch; by default its own number.")
@click.option("--compile", "compiled", is_flag=True, help="Through torch.compile: layers cannot be told apart then.")
@click.option("--training", metavar="OPTIMIZER", help="A training step, not an inference: sgd, momentum, adam.")
@click.option("--temperature", is_flag=True, help="Also run each layer by itself, hot and with cold weights.")
@click.option("--confirm", is_flag=True, help="Also measure beside the break-even batch of host and device.")
@click.option(
    "--budget", callback=_seconds, default="30s", metavar="TIME", help="For each part [30s]; at least one round."
)
@click.option("--interval", callback=_share, default="2%", metavar="SHARE", help="Half width that is enough [2%].")
@click.option("--python", metavar="PATH", help="Another interpreter, whose torch is measured.")
@click.option("--store", metavar="PATH", help="The file of runs; by default CNNPROF_STORE, else your own.")
@click.option("--no-store", "unstored", is_flag=True, help="Do not keep the run.")
@click.option("--resume", metavar="RUN", help="Go on with a run that was interrupted: its id, or last.")
@click.option("--depth", type=click.IntRange(1), metavar="N", help="Add up blocks below this level of names.")
@click.option("--columns", callback=names, metavar="A,B,...", help="The columns to show.")
@click.option("--sort", metavar="COLUMN", help="Sort by a column, largest first.")
@click.option(
    "--top", type=click.IntRange(1), metavar="N",
    help="Show the first N lines, add up the layers left out; of layers on two devices the N that gain most.",
)  # fmt: skip
@click.option("-f", "--format", "chosen", type=click.Choice(list(FORMATS)), help="How to print.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write to FILE, format by its suffix.")
@click.option("--quiet", is_flag=True, help="No progress, no names of files or runs.")
def profile(**given: Any) -> int:
    """Measure how long every layer of a network takes.

    A MODEL is named as for "cnnprof analyze". Each model, device, dtype and batch is measured by a process of its own,
    inside real forwards: passes without marks (E) say how long the whole takes, passes with marks between the layers
    (L) how it is made up, and the ledger whether both agree. Inputs are random.

    Every sample is stored as soon as it is taken. Ctrl-C keeps what was measured; --resume RUN goes on.
    """
    from cnnprof.cli.output import targets

    options = Options(**given)
    _check(options)
    found = targets(options.outputs, options.chosen, SUFFIXES)
    return _resume(options, found) if options.resume else _profile(options, found)


def _check(options: Options) -> None:
    if not options.models and not options.resume:
        raise UsageError("profile needs a model", hint="cnnprof profile vgg16, or cnnprof profile --resume last")
    if options.resume and not all(map(runs_code, options.models)):
        raise UsageError(
            "--resume goes on with its own models",
            hint="only package.module:attribute, which runs code, is named again",
        )
    if options.resume and (fixed := _given() & _FIXED):
        raise UsageError(
            f"--resume goes on as it began: {', '.join(sorted(fixed))} cannot change", hint="profile it anew"
        )
    if options.unstored and (options.store or options.resume):
        raise UsageError("--no-store: with --store or --resume there is a store")


def _given() -> set[str]:
    """Return the first names of the options on the command line."""
    ctx = click.get_current_context()
    typed = click.core.ParameterSource.COMMANDLINE
    return {each.opts[0] for each in ctx.command.params if ctx.get_parameter_source(each.name or "") is typed}


def _profile(options: Options, found: Sequence[Target]) -> int:
    from cnnprof.api import profiling
    from cnnprof.cli.attempts import Attempts

    wanted = profiling.settings_of(
        options.devices or ("cpu",), options.dtypes, options.batches, channels_last=options.channels_last,
        threads=options.threads, compiled=options.compiled, training=options.training,
    )  # fmt: skip
    profiling.check(wanted, options.budget, options.interval, python=options.python)
    attempts = Attempts()
    parts = _parts(options, wanted, attempts)
    if not parts:
        return attempts.exit_code(any_result=False)
    run = profiling.new_run(
        parts, options.budget, options.interval, temperature=options.temperature, python=options.python
    )
    path = None if options.unstored else _store(options)
    return _measured(
        options, found, run, lambda session: profiling.start(run, session, path, confirm=options.confirm), attempts
    )


def _parts(options: Options, wanted: Any, attempts: Attempts) -> list[Part]:
    from cnnprof.api import profiling

    values = settings(options.settings)
    parts: list[Part] = []
    for model in options.models:
        announce([model], quiet=options.quiet)
        for size in options.sizes or (None,):
            parts += attempts(
                model, profiling.parts_of, model, wanted, size=size, values=values, freeze=options.freeze
            ) or ()  # fmt: skip
    return parts


def _store(options: Options) -> Any:
    from cnnprof.store.paths import locate

    return locate(options.store)


def _resume(options: Options, found: Sequence[Target]) -> int:
    from cnnprof.api import profiling
    from cnnprof.cli.attempts import Attempts
    from cnnprof.stored import load_run

    run = load_run(options.resume or "", options.store)
    path = _store(options)
    announce(options.models, quiet=options.quiet)

    def resumed(session: Session) -> Measured:
        return profiling.resume(
            run.id, path, session, named=options.models, python=options.python, confirm=options.confirm
        )

    return _measured(options, found, run, resumed, Attempts())


def _measured(options: Options, found: Sequence[Target], run: Run, measure: Any, attempts: Attempts) -> int:
    """Measure, print, and return the exit code; what was measured before an interrupt is printed too."""
    from cnnprof.api.confirming import unconfirmed
    from cnnprof.cli.streams import say

    _report(run, options)  # which refuses wrong columns before they cost a measurement
    try:
        with _watched(options, run) as watcher:
            done: Measured = measure(_session(watcher))
    except BaseException as stop:
        partial: Run | None = getattr(stop, "partial", None)
        if partial is not None and any(part.forwards for part in partial.parts):
            _deliver(partial, options, found)
            if not options.unstored and not options.quiet:
                say(f"{_again(partial, options)} goes on")
        raise
    code = _deliver(done.run, options, found)
    if done.unstored is not None:
        say(done.unstored.render())
        say("what was measured since is not stored; it was printed")
        return FAILED
    if options.confirm and not options.quiet:
        for reason in unconfirmed(done.run):
            say(reason)
    if not options.unstored and not options.quiet:
        say(f"stored as {done.run.id}")
    return code or _code(done.run, attempts)


def _again(run: Run, options: Options) -> str:
    """Return the command that goes on with a run; code that it runs is named again."""
    code = dict.fromkeys(part.model for part in run.parts if part.source is not None and runs_code(part.model))
    python = ["--python", run.python] if run.python else []
    store = ["--store", options.store] if options.store else []
    confirm = ["--confirm"] if options.confirm else []
    return shlex.join(["cnnprof", "profile", *code, *python, *store, *confirm, "--resume", run.id])


def _session(watcher: Any) -> Session:
    from cnnprof.measure.session import Session

    return Session(watcher=watcher)


def _watched(options: Options, run: Run) -> Any:
    if options.quiet or sys.stderr is None or not sys.stderr.isatty():
        return nullcontext(None)
    from cnnprof.report.terminal import LiveParts

    return LiveParts(sys.stderr, [_named(part) for part in run.parts])


def _named(part: Part) -> str:
    setting = part.setting
    return f"{part.model} {setting.device} batch {setting.batch} {setting.arithmetic}"


def _code(run: Run, attempts: Attempts) -> int:
    from cnnprof.cli.streams import say

    failed = [part for part in run.parts if part.status not in ("done", "budget")]
    for part in failed:
        say(CnnprofError(f"{_named(part)}: {part.problem}", hint=part.hint, code=part.code or "failed").render())
    if not failed:
        return attempts.exit_code(any_result=True)
    if any(part.forwards for part in run.parts):
        return PARTIAL
    return MissingPackageError.exit_code if {part.code for part in failed} == {MissingPackageError.code} else FAILED


def _deliver(run: Run, options: Options, found: Sequence[Target]) -> int:
    from cnnprof.cli.output import deliver, screen

    report = _report(run, options)
    return deliver(
        found, lambda target: render(report._replace(screen=screen(target)), target.format), quiet=options.quiet
    )


def _report(run: Run, options: Options) -> Report:
    from cnnprof.measure.summary import summaries
    from cnnprof.report.profile import naming, profile_report

    report = profile_report(
        list(zip(run.parts, summaries(run), strict=True)), columns=options.columns, depth=options.depth,
        sort=options.sort, top=options.top, offloads=run.offloads,
    )  # fmt: skip
    return report if options.unstored else naming(report, run.id)
