"""The zoo's files are found in the package or beside it, and searched as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnprof import zoo_files
from cnnprof.errors import CnnprofError

RESNET = """\
cnnprof: 1
name: resnet  # the family

variants:
  resnet18: {}
  "resnet-50": {depths: [3, 4, 6, 3]}
layers:
  - linear: {out_features: 1000}
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package folder of its own, without a zoo yet."""
    folder = tmp_path / "site" / "cnnprof"
    folder.mkdir(parents=True)
    monkeypatch.setattr(zoo_files, "__file__", str(folder / "zoo_files.py"))
    return folder


def add(folder: Path, **texts: str) -> Path:
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_an_installed_package_brings_its_own_specs(package):
    inside = add(package / "specs")
    add(package.parent / "specs")

    assert inside == zoo_files.root()


def test_a_checkout_has_its_specs_beside_the_package(package):
    beside = add(package.parent / "specs")

    assert beside == zoo_files.root()


def test_a_package_without_specs_says_where_they_should_be(package):
    with pytest.raises(CnnprofError) as caught:
        zoo_files.root()

    assert "no-zoo" == caught.value.code
    assert str(package / "specs") in caught.value.message


def test_only_yaml_files_are_listed_and_sorted_by_name(package):
    folder = add(package / "specs", vgg="", alexnet="")
    (folder / "README.md").write_text("not a network", encoding="utf-8")

    assert ["alexnet.yaml", "vgg.yaml"] == [file.name for file in zoo_files.files()]


@pytest.mark.parametrize("name", ["resnet", "resnet18", "resnet-50"])
def test_a_network_is_found_by_its_own_name_and_by_its_variants(package, name):
    folder = add(package / "specs", resnet=RESNET, vgg="name: vgg\n")

    assert [folder / "resnet.yaml"] == zoo_files.find(name)


@pytest.mark.parametrize("name", ["resne", "esnet18", "resnet1", "family", "variants", "layers", "resnet.50", ".*"])
def test_a_part_of_a_name_a_comment_a_top_level_key_or_a_pattern_finds_nothing(package, name):
    add(package / "specs", resnet=RESNET)

    assert [] == zoo_files.find(name)


def test_two_files_with_the_same_name_are_both_returned(package):
    folder = add(package / "specs", first="name: same\n", second="variants:\n  same: {}\n")

    assert [folder / "first.yaml", folder / "second.yaml"] == zoo_files.find("same")
