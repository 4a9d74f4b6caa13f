"""Which layer is which: by shapes, and by what is before and behind. Owners are written by hand; no torch is needed."""

from __future__ import annotations

from cnnprof.validator.alignment import Alignment, Owner, align


def conv(path: str, out: int, before: tuple[int, ...] = (), *, channels: int = 8) -> Owner:
    return Owner(path, ((out, channels, 3, 3),), (), before)


def paths(alignment: Alignment) -> list[tuple[str, str]]:
    return [(mine.path, other.path) for mine, other in alignment.pairs]


def test_equal_chains_are_paired_in_order():
    ours = [conv("a", 8), conv("b", 8, (0,)), conv("c", 8, (1,))]
    theirs = [conv("x", 8), conv("y", 8, (0,)), conv("z", 8, (1,))]

    found = align(ours, theirs)
    assert [("a", "x"), ("b", "y"), ("c", "z")] == paths(found)
    assert not found.reordered


def test_branches_in_another_order_find_each_other_by_what_is_behind_them():
    """Both branches begin with the same shape; only then is one 16 and the other 32 wide."""
    ours = [conv("l1", 8), conv("l2", 16, (0,)), conv("r1", 8), conv("r2", 32, (2,))]
    theirs = [conv("R1", 8), conv("R2", 32, (0,)), conv("L1", 8), conv("L2", 16, (2,))]

    found = align(ours, theirs)
    assert [("l1", "L1"), ("l2", "L2"), ("r1", "R1"), ("r2", "R2")] == paths(found)
    assert found.reordered


def test_branches_in_another_order_find_each_other_by_what_is_before_them():
    ours = [conv("l1", 16), conv("l2", 8, (0,)), conv("r1", 32), conv("r2", 8, (2,))]
    theirs = [conv("R1", 32), conv("R2", 8, (0,)), conv("L1", 16), conv("L2", 8, (2,))]

    assert [("l1", "L1"), ("l2", "L2"), ("r1", "R1"), ("r2", "R2")] == paths(align(ours, theirs))


def test_another_width_is_the_first_odd_pair():
    ours = [conv("a", 8), conv("b", 16, (0,)), conv("c", 8, (1,), channels=16)]
    theirs = [conv("x", 8), conv("y", 32, (0,)), conv("z", 8, (1,), channels=32)]

    found = align(ours, theirs)
    assert [("a", "x")] == paths(found)
    assert found.odd == (ours[1], theirs[1])


def test_a_network_that_ends_early_has_nothing_beside_the_first_layer_too_many():
    ours = [conv("a", 8), conv("b", 8, (0,))]

    assert (ours[1], None) == align(ours, ours[:1]).odd
    assert (None, ours[1]) == align(ours[:1], ours).odd


def test_equal_shapes_in_another_graph_are_paired_in_order_for_the_outputs_to_tell():
    ours = [conv("a", 8), conv("b", 8, (0,)), conv("c", 8, (1,))]
    theirs = [conv("x", 8), conv("y", 8, (0,)), conv("z", 8, (0, 1))]

    found = align(ours, theirs)
    assert [("a", "x"), ("b", "y"), ("c", "z")] == paths(found)
    assert found.odd is None


def test_a_norm_is_not_taken_for_one_without_statistics():
    with_statistics = Owner("a", ((8,), (8,)), ((8,), (8,), ()))
    without = Owner("x", ((8,), (8,)), ())

    assert (with_statistics, without) == align([with_statistics], [without]).odd


def test_an_owner_reads_as_its_path_with_its_shapes():
    assert "conv1: 64×3×7×7, 64" == str(Owner("conv1", ((64, 3, 7, 7), (64,)), ()))
    assert "statistics: 64, 1" == str(Owner("statistics", (), ((64,), ())))
