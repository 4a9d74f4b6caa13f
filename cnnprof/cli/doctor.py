"""``cnnprof doctor``: the environment as text or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cnnprof.cli.commands import Command

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command(cls=Command)
@click.option("-f", "--format", "chosen", type=click.Choice(["table", "json"]), default="table", help="How to print.")
@click.option("--import-torch", is_flag=True, help="Import torch and list the devices it finds (takes seconds).")
def doctor(chosen: str, *, import_torch: bool) -> int:
    """Show this environment and what is missing for what.

    Nothing is installed or downloaded; for whatever is missing, the command that gets it is printed.
    """
    from cnnprof.cli.streams import emit
    from cnnprof.doctor import examine

    report = examine(import_torch=import_torch)
    emit(_as_json(report) if chosen == "json" else "\n".join(_lines(report)))
    return 0


def _as_json(report: dict[str, Any]) -> str:
    import json

    return json.dumps(report, indent=2, ensure_ascii=False)


def _lines(report: dict[str, Any]) -> Iterator[str]:
    python, machine = report["python"], report["platform"]
    yield _line("cnnprof", report["cnnprof"])
    yield _line("python", f"{python['implementation']} {python['version']}, {python['executable']}")
    yield _line("system", f"{machine['system']} {machine['release']}, {machine['machine']}")
    yield _line("cpu", f"{machine['cpu'] or 'unknown'}, {machine['cores']} usable cores")
    yield _line("gpu", _gpu(report))
    yield ""
    wide = max(len(package["version"] or "missing") for package in report["packages"])
    for package in report["packages"]:
        yield f"{package['name']:<14}{package['version'] or 'missing':<{wide}}  {package['for']}"
    yield ""
    yield from _missing(report["missing"])


def _line(title: str, text: str) -> str:
    return f"{title:<14}{text}"


def _gpu(report: dict[str, Any]) -> str:
    nvidia, torch = report["nvidia"], report["torch"]
    parts = [f"NVIDIA driver {nvidia['driver'] or 'not found'}"]
    if nvidia["serves_cuda"]:
        parts.append(f"serves CUDA {nvidia['serves_cuda']}")
    parts.append(f"{nvidia['devices']} device{'s' * (nvidia['devices'] != 1)}")
    if torch["version"]:
        parts.append(f"torch built for {'CUDA ' + torch['built_for_cuda'] if torch['built_for_cuda'] else 'CPUs'}")
    if torch["devices"]:
        parts.append(f"torch finds {', '.join(torch['devices'])}")
    if torch["error"]:
        parts.append(f"torch fails: {torch['error']}")
    return ", ".join(parts)


def _missing(missing: list[dict[str, str]]) -> Iterator[str]:
    if not missing:
        yield "nothing is missing"
        return
    yield "missing, and how to get it:"
    for item in missing:
        yield f"  {item['what']}, for {item['for']}"
        yield f"      {item['command']}"
