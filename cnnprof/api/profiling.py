"""Measuring: ``profile``, and going on with a run that was interrupted."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import product
from typing import TYPE_CHECKING, Any

from cnnprof import analyzer, bindings, offload, readers
from cnnprof._version import __version__
from cnnprof.api import InputSize, Model, load
from cnnprof.api.confirming import confirmed
from cnnprof.devices import DEVICES
from cnnprof.errors import MissingPackageError, UsageError
from cnnprof.measure.samples import samples
from cnnprof.measure.session import FINISHED, Measured, Session, measure
from cnnprof.measure.summary import summarise
from cnnprof.model.graph import Graph
from cnnprof.model.plain import replace
from cnnprof.model.run import TF32, Part, Run, Setting

if TYPE_CHECKING:
    import torch

    from cnnprof.model.memory import Optimizer

BUDGET_S = 30.0
INTERVAL = 0.02
DTYPES = ("float32", "float64", "float16", "bfloat16")
MOST_THREADS = 4096
MOST_BATCH = 2**31 - 1
MOST_SEED = 2**63 - 1


def profile(  # noqa: PLR0913 the options of the command, by name
    model: Model,
    *,
    device: str | Sequence[str] = "cpu",
    batch: int | Sequence[int] = 1,
    dtype: str | Sequence[str] = "float32",
    input: InputSize = None,  # noqa: A002 - the flags' names
    set: Mapping[str, Any] | None = None,  # noqa: A002
    freeze: str | Sequence[str] = (),
    channels_last: bool = False, threads: int | None = None,
    compile: bool = False,  # noqa: A002
    training: Optimizer | None = None, temperature: bool = False,
    budget_s: float = BUDGET_S, interval: float = INTERVAL, seed: int = 0,
    python: str | None = None, store: str | os.PathLike[str] | None = None,
    in_process: bool = False, confirm: bool = False,
) -> Run:  # fmt: skip
    """Measure how long every layer takes, and the whole; each device, dtype and batch in a process of its own.

    Args:
        model: as for ``load``, or a graph; an ``nn.Module`` only with ``in_process``.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``fake``, one or several.
        batch: samples per forward, one number or several.
        dtype: of all floats, one or several; ``tf32``: float32, which a GPU may multiply in TensorFloat-32.
        input: as for ``load``.
        set: as for ``load``.
        freeze: as for ``analyze``.
        channels_last: lay images out as N×H×W×C in memory.
        threads: that torch computes with; by default as many as it takes by itself.
        compile: run it through ``torch.compile``: then layers cannot be told apart.
        training: measure a step with this optimizer (sgd, momentum, adam) in place of an inference.
        temperature: also run every layer by itself, hot and with its weights out of the caches.
        budget_s: seconds that each part may take, warm-up included; the layers by themselves as long again.
        interval: half width of the 95 % interval of the median, as a part of it, at which measuring ends.
        seed: of weights and inputs.
        python: another interpreter, whose torch is measured.
        store: a file of runs where every finished sample is put at once; by default nothing is stored.
        in_process: measure here, not in a worker; of an ``nn.Module`` a copy, so that it stays as it is.
        confirm: of a host and another device, measure at the batches beside each break-even too.

    Returns:
        A run: ``.parts``, what was measured of each device, dtype and batch, each with its ``.ledger``, where the time
        goes; ``.ledger``, that of a single part; ``.offloads``, of a host and another device what copying costs, from
        which batch on it pays (``.break_even``), and which layers should run where (``.batches[…].placement``);
        ``.to_frame()``, a data frame with one row per layer and part.

    Raises:
        UsageError: an argument that does not fit.
        SpecError: the specification is refused.
        MissingPackageError: torch or the device is not there.
        StoreError: the store cannot be opened; or it failed on the way, then with the Run as ``.partial``.
        KeyboardInterrupt: with the Run until then as ``.partial``.
    """
    settings = settings_of(
        device, dtype, batch, channels_last=channels_last, threads=threads, compiled=compile, training=training,
        seed=seed,
    )  # fmt: skip
    check(settings, budget_s, interval, python=python)
    parts = parts_of(model, settings, size=input, values=set, freeze=_several(freeze), in_process=in_process)
    run = new_run(parts, budget_s, interval, temperature=temperature, python=python)
    return _whole(start(run, Session(messages=_here(model) if in_process else None), store, confirm=confirm))


def _whole(found: Measured) -> Run:
    if found.unstored is not None:
        found.unstored.partial = found.run  # type: ignore[attr-defined]
        raise found.unstored
    return found.run


def settings_of(
    devices: str | Sequence[str], dtypes: str | Sequence[str], batches: int | Sequence[int], *, channels_last: bool,
    threads: int | None, compiled: bool, training: Optimizer | None, seed: int = 0,
) -> list[Setting]:  # fmt: skip
    """Return every combination, devices in the outer loop, batches in the inner one; none twice.

    ``tf32`` is float32 where the device is no GPU.

    Raises:
        UsageError: ``tf32`` without a GPU.
    """
    if TF32 in _several(dtypes) and not any(map(_is_gpu, _several(devices))):
        raise UsageError("tf32 is a way of GPUs to multiply float32", hint="add --device cuda", code="bad-dtype")
    types = [str(each).removeprefix("torch.") for each in _several(dtypes)]
    found = [
        Setting(
            device=device, batch=batch, dtype="float32" if dtype == TF32 else dtype,
            layout="channels_last" if channels_last else "contiguous",
            threads=threads, mode="inference" if training is None else "training", optimizer=training or "sgd",
            compiled=compiled, tf32=dtype == TF32 and _is_gpu(device), seed=seed,
        )
        for device, dtype, batch in product(_several(devices), types, _several(batches))
    ]  # fmt: skip
    return [each for at, each in enumerate(found) if each not in found[:at]]


def _is_gpu(device: str) -> bool:
    return device.partition(":")[0] == "cuda"


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def check(settings: Sequence[Setting], budget_s: float, interval: float, *, python: str | None) -> None:
    """Raise where no network could be measured like this: before anything is read, started or stored.

    Raises:
        UsageError: a value that cannot be, or an unknown device.
        MissingPackageError: what a device needs is not there.
    """
    _check_range("budget_s", budget_s, 0, 1e6)
    _check_range("interval", interval, 0, 1)
    if not settings:
        raise UsageError("nothing to measure: no device, no dtype or no batch is given", code="bad-value")
    for setting in settings:
        if setting.dtype not in DTYPES:
            known = ", ".join((*DTYPES, TF32))
            raise UsageError(f"a network is measured in {known}, got {setting.dtype!r}", code="bad-dtype")
        if setting.optimizer not in analyzer.OPTIMIZERS:
            known = ", ".join(analyzer.OPTIMIZERS)
            raise UsageError(f"unknown optimizer {setting.optimizer!r}", hint=f"one of {known}", code="bad-optimizer")
        for name, value, least, most in (
            ("batch", setting.batch, 1, MOST_BATCH),
            ("threads", setting.threads, 1, MOST_THREADS),
            ("seed", setting.seed, 0, MOST_SEED),
        ):
            if value is not None:
                _check_whole(name, value, least, most)
    for device in dict.fromkeys(setting.device for setting in settings):
        _check_device(device, python)


def _check_range(name: str, value: float, above: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not above < value <= most:
        raise UsageError(f"{name} must be above {above:g} and at most {most:g}, got {value!r}", code="bad-value")


def _check_whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UsageError(f"{name} must be a whole number from {least} to {most}, got {value!r}", code="bad-value")


def _check_device(device: str, python: str | None) -> None:
    name = device.partition(":")[0]
    numbered = re.fullmatch(r"cuda:[0-9]{1,4}", device) is not None
    if name not in DEVICES or (name not in {"fake", device} and not numbered):  # the CPU has no number
        raise UsageError(f"unknown device {device!r}", hint=_devices(device), code="bad-device")
    module = import_module(DEVICES[name])
    missing = module.missing(python)
    if missing is not None:
        what, command = missing
        raise MissingPackageError(f"--device {device} needs {what}", hint=command, code="missing-device")


def _devices(device: str) -> str:
    """Return what to name instead: one of those there are, or each of several by itself."""
    several = [each.strip() for each in device.split(",") if each.strip()]
    if len(several) > 1:  # the path of fake:FILE may hold a comma, so that none divides
        return f"give each its own: {' '.join(f'--device {each}' for each in several)}"
    return f"one of {', '.join(DEVICES)}"


def parts_of(
    model: Model,
    settings: Sequence[Setting],
    *,
    size: InputSize = None,
    values: Mapping[str, Any] | None = None,
    freeze: Sequence[str] = (),
    in_process: bool = False,
) -> list[Part]:
    """Return a part for each setting, with what is predicted of it.

    Raises:
        CnnprofError: as ``load`` and ``analyze``; or an ``nn.Module`` that no worker can get.
    """
    graph, source = _graph(model, size, values, in_process=in_process)
    graph = analyzer.freeze(graph, freeze)
    return [_part(model, graph, source, setting) for setting in settings]


def _graph(
    model: Model, size: InputSize, values: Mapping[str, Any] | None, *, in_process: bool
) -> tuple[Graph, dict[str, Any] | None]:
    if readers.is_module(model) and not in_process:
        raise UsageError(
            f"a {type(model).__name__} of this process cannot be measured in another one",
            hint="add in_process=True, or name it as package.module:attribute",
            code="in-process",
        )
    graph = model if isinstance(model, Graph) else load(model, input=size, set=values)
    if not isinstance(model, str) or not readers.is_code(model):
        return graph, None
    inputs = [[each.name, list(each.shape), each.dtype] for each in graph.inputs]
    return graph, {"model": model, "params": dict(values or {}), "inputs": inputs}


def _part(model: Model, graph: Graph, source: dict[str, Any] | None, setting: Setting) -> Part:
    trains = setting.mode == "training"
    analysis = analyzer.analyze(
        graph, batch=setting.batch, dtype=setting.dtype, training=setting.optimizer if trains else None
    )
    return Part(
        model=model if isinstance(model, str) else graph.name, setting=setting, graph=graph, source=source,
        script=_script(setting.device), analysis=analysis,
    )  # fmt: skip


def _script(device: str) -> dict[str, Any] | None:
    if device.partition(":")[0] != "fake":
        return None
    from cnnprof.devices import fake_script

    return fake_script.read(device)


def _here(model: Model) -> Callable[[dict[str, Any]], Iterator[dict[str, Any]]]:
    """Return what measures in this process: a user's own module, or what a worker would build."""
    from cnnprof.measure import worker

    module: torch.nn.Module | None = model if readers.is_module(model) else None
    return lambda request: worker.run_here(request, module)


def new_run(
    parts: Sequence[Part], budget_s: float, interval: float, *, temperature: bool = False, python: str | None = None
) -> Run:
    """Return a run of which nothing is measured yet.

    Raises:
        UsageError: layers by themselves of a network that is compiled as a whole.
    """
    if temperature and any(part.setting.compiled for part in parts):
        raise UsageError(
            "a compiled network has no layers that could run by themselves",
            hint="leave out temperature, or compile",
            code="bad-value",
        )
    now = dt.datetime.now(dt.UTC)
    models = list(dict.fromkeys(part.model for part in parts))
    word = re.sub(r"[^a-z0-9]+", "-", models[0].lower()).strip("-")[:24].strip("-") if len(models) == 1 else ""
    return Run(
        cnnprof_version=__version__,
        id=f"{now:%Y%m%d-%H%M%S}-{word or f'{len(models)}-models'}-{os.urandom(2).hex()}",
        created=now.isoformat(timespec="seconds"),
        budget_s=budget_s,
        interval=interval,
        temperature=temperature,
        python=python,
        parts=tuple(parts),
    )


def start(run: Run, session: Session, path: str | os.PathLike[str] | None, *, confirm: bool = False) -> Measured:
    """Measure a run, and store it in the file ``path`` where there is one; ``confirm``: beside break-evens too.

    Raises:
        StoreError: the store cannot be opened, or does not take the run.
        KeyboardInterrupt: with the Run as ``.partial``.
    """
    if path is None:
        found = measure(run, session)
        return confirmed(found, session) if confirm else found
    from cnnprof.store.runs import Store

    with Store.open(path, write=True) as store:
        found = measure(run, session._replace(writer=store.begin(run)))
        return confirmed(found, session, store.resume) if confirm else found


def resume(
    run_id: str,
    path: str | os.PathLike[str] | None,
    session: Session,
    *,
    named: Sequence[str] = (),
    python: str | None = None,
    confirm: bool = False,
) -> Measured:
    """Go on with a stored run: parts that are done stay, the others get the samples that are missing.

    Args:
        run_id: of the run.
        path: the file of runs.
        session: with what it is measured.
        named: networks that are the user's own code, ``package.module:attribute``, and may be imported again: a run
            may come from somebody else's file.
        python: the interpreter that it was begun with, where that was not cnnprof's own; for the same reason.
        confirm: measure beside break-evens too.

    Raises:
        UsageError: there is no such run, or it would run what nobody named.
        MissingPackageError: the device is not there any more.
        StoreError: the store cannot be opened, or who measures the run is still at it.
    """
    from cnnprof.store.runs import Store

    with Store.open(path, write=True) as store:
        run = store.load(run_id)
        _check_named(run, named, python, confirm=confirm)
        check([part.setting for part in run.parts], run.budget_s, run.interval, python=run.python)
        found = measure(replace(run, status="running"), session._replace(writer=store.resume(run.id)))
        return confirmed(found, session, store.resume) if confirm else found


def _check_named(run: Run, named: Sequence[str], python: str | None, *, confirm: bool) -> None:
    """Raise where code would run that nobody named; to confirm what is finished runs it again."""
    running = [part for part in run.parts if confirm or part.status not in FINISHED]
    code = [part.source["model"] for part in running if part.source is not None]
    unnamed = [f"MODEL {model}" for model in code if readers.runs_code(model) and model not in named]
    if run.python != python:
        unnamed.append(f"--python {run.python}" if run.python else f"no --python {python}")
    if unnamed:
        raise UsageError(
            f"{run.id} goes on with {unnamed[0]}, which runs code: only what is typed again is run",
            hint="add it to the command; a run may come from somebody else's file",
            code="unnamed-code",
        )


bindings.bind_run(summarise, samples, offload.offloads)
