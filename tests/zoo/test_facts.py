"""Every published figure of the zoo is checked: those that hold hold, those that do not are explained."""

from __future__ import annotations

import pytest

import cnnprof
from cnnprof.model.claims import MEASURED
from cnnprof.published.check import check
from cnnprof.readers.spec import zoo_specs


@pytest.mark.parametrize("name", cnnprof.zoo())
def test_each_published_figure_is_reproduced_exactly_where_its_fact_says_so(name):
    claims = check(cnnprof.analyze(name))

    assert [] == [(c.fact.of, c.fact.at, c.fact.value, c.shown) for c in claims if not c.agrees]
    assert [c.fact.of in MEASURED for c in claims] == [c.reproduced is None for c in claims]


@pytest.mark.parametrize("name", cnnprof.zoo())
def test_each_network_has_a_published_figure(name):
    assert len(cnnprof.analyze(name).facts) >= 1


@pytest.mark.parametrize("name", cnnprof.zoo())
def test_each_figure_that_does_not_hold_has_a_reason(name):
    assert [] == [fact.value for fact in cnnprof.analyze(name).facts if not fact.holds and not fact.why]


def test_each_file_of_the_zoo_says_what_it_is_and_where_it_comes_from():
    assert [] == [path.name for path, spec in zoo_specs() if not spec.title or not spec.citation]


def test_no_name_is_given_to_two_networks():
    names = cnnprof.zoo()

    assert sorted(set(names)) == sorted(names)
