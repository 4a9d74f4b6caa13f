"""What pip gets: the wheel and the source archive are complete, start, find the zoo, and every dependency is pinned."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cnnprof import _version, zoo_files

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
UNPACK = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python 3.11.3 and before have no filters
INFO = f"cnnprof-{_version.__version__}.dist-info"


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Run a command and return its standard output; a failure shows its standard error."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(kind: str, source: Path, target: Path) -> Path:
    """Build a wheel or an sdist with the backend itself: no network, no second environment."""
    run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", target, cwd=source)
    (archive,) = target.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel_names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel as pip unpacks it, in a folder of its own; dependencies come from this environment."""
    site = tmp_path_factory.mktemp("site")
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel, cwd=site)
    return site


def test_the_wheel_holds_every_module_and_the_marker_for_type_checkers(wheel_names):
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "cnnprof").rglob("*.py")}

    assert set() == (modules | {"cnnprof/py.typed"}) - wheel_names


def test_the_wheel_holds_every_specification_of_the_zoo(wheel_names):
    expected = {f"cnnprof/specs/{path.name}" for path in (ROOT / "specs").glob("*.yaml")}

    assert "cnnprof/specs/lenet5.yaml" in expected
    assert expected == {name for name in wheel_names if name.startswith("cnnprof/specs/")}


def test_the_wheel_holds_nothing_but_the_package_and_its_metadata(wheel_names):
    assert {"cnnprof", INFO} == {name.split("/")[0] for name in wheel_names}


def test_the_wheel_brings_the_licence_and_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        licence = archive.read(f"{INFO}/licenses/LICENSE").decode()
        commands = archive.read(f"{INFO}/entry_points.txt").decode()

    assert ["Apache License", "Version 2.0, January 2004"] == [line.strip() for line in licence.split("\n")[1:3]]
    assert "[console_scripts]\ncnnprof = cnnprof.__main__:main\n" == commands


def test_the_base_install_asks_for_no_torch(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"{INFO}/METADATA").decode())
    needed = [Requirement(text) for text in metadata.get_all("Requires-Dist")]

    base = {
        canonicalize_name(need.name) for need in needed if need.marker is None or need.marker.evaluate({"extra": ""})
    }
    assert {"click", "pyyaml", "msgspec", "rich", "jinja2", "platformdirs", "pandas"} == base


def test_an_installed_cnnprof_finds_its_own_zoo_and_not_the_checkouts(installed):
    code = "from cnnprof import zoo_files; print(zoo_files.root())"

    found = run(sys.executable, "-c", code, cwd=installed, PYTHONPATH=str(installed))

    assert f"{installed / 'cnnprof' / 'specs'}\n" == found


def test_a_checkout_finds_the_zoo_beside_the_package():
    assert ROOT / "specs" == zoo_files.root()


def test_the_installed_command_analyzes_a_network_of_the_zoo(installed):
    command = installed / "bin" / "cnnprof"

    out = run(command, "analyze", "lenet5", "-f", "csv", cwd=installed, PYTHONPATH=str(installed))

    assert "conv2d" in out


def test_the_source_archive_builds_the_same_wheel(wheel_names, tmp_path):
    sdist = build("sdist", ROOT, tmp_path / "sdist")
    shutil.unpack_archive(sdist, tmp_path / "source", **UNPACK)
    (source,) = (tmp_path / "source").iterdir()

    with zipfile.ZipFile(build("wheel", source, tmp_path / "wheel")) as archive:
        assert wheel_names == set(archive.namelist())


def test_the_source_archive_brings_the_tests_the_documents_and_the_pins(tmp_path):
    with tarfile.open(build("sdist", ROOT, tmp_path)) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}

    expected = {
        "tests/test_packaging.py",
        "benchmarks/library.py",
        "docs/architecture.md",
        "constraints.txt",
        "CHANGELOG.md",
        "README.md",
        "LICENSE",
    }
    assert set() == expected - names


# constraints.txt


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def declared() -> list[Requirement]:
    """Return every dependency that pyproject.toml names, of every extra and of the build."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    texts = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"], *(t for e in extras for t in e)]
    return [need for need in map(Requirement, texts) if need.name != "cnnprof"]


def test_every_declared_dependency_is_pinned_inside_its_bound():
    pinned = {canonicalize_name(name): version for name, version in pins().items()}

    outside = [str(need) for need in declared() if pinned.get(canonicalize_name(need.name), "") not in need.specifier]
    assert [] == outside


def test_a_pin_outside_its_bound_would_be_noticed():
    assert "2.10" not in Requirement("torch>=2.11").specifier
    assert {"torch", "hatchling", "ruff", "onnx", "matplotlib", "pandas"} <= {need.name for need in declared()}


def test_torch_is_pinned_without_a_build_tag_so_that_both_builds_fit():
    assert "2.13.0" == pins()["torch"]
    assert [] == [f"{name}=={version}" for name, version in pins().items() if "+" in version]


def test_pins_are_sorted_so_that_two_changes_seldom_meet():
    assert sorted(pins(), key=str.lower) == list(pins())
