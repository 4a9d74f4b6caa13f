"""Random networks over the whole registry: every figure is torch's. ``tools/fuzz.py`` draws thousands more."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from cnnprof.layers import REGISTRY
from tests.helpers.graph_checks import broken, compare
from tests.helpers.random_graphs import LOCAL, LOCAL_2D, LONG, WIDE, Drawn, networks

few = settings(
    max_examples=3, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip


def check(drawn: Drawn) -> list[str]:
    """Return what differs, with the network that shows it."""
    from tests.helpers.search import Finding

    return [str(Finding(drawn, figure)) for figure in broken(compare(drawn))]


@pytest.mark.parametrize("op", sorted(REGISTRY))
def test_every_figure_of_a_random_network_that_begins_with_this_layer_is_torchs(op):
    @few
    @given(networks(first=op))
    def every_figure_is_torchs(drawn):
        assert [] == check(drawn)

    every_figure_is_torchs()

    assert op in REGISTRY


@settings(few, max_examples=40)
@given(networks(ops=LOCAL, shape=LONG))
def test_units_of_random_networks_on_long_sequences_see_what_is_said(drawn):
    assert [] == check(drawn)


@settings(few, max_examples=20)
@given(networks(ops=LOCAL_2D, shape=WIDE))
def test_units_of_random_networks_on_images_see_what_is_said(drawn):
    assert [] == check(drawn)
