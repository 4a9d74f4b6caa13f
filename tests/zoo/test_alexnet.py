"""N10 to N13: AlexNet in the forms of the decks, and ZF Net."""

from __future__ import annotations

import cnnprof
from cnnprof.published.check import check
from tests.helpers.tables import computed, mib, printed


def test_alexnet_reproduces_every_row_of_the_torchsummary_table_of_deck_1():
    """N10, as torchvision was in 2017."""
    analysis = cnnprof.analyze("alexnet_2017")

    table = printed("""
        Conv2d-1	[ -1, 64, 55, 55]	23,296
        ReLU-2	[ -1, 64, 55, 55]	0
        MaxPool2d-3	[ -1, 64, 27, 27]	0
        Conv2d-4	[ -1, 192, 27, 27]	307,392
        ReLU-5	[ -1, 192, 27, 27]	0
        MaxPool2d-6	[ -1, 192, 13, 13]	0
        Conv2d-7	[ -1, 384, 13, 13]	663,936
        ReLU-8	[ -1, 384, 13, 13]	0
        Conv2d-9	[ -1, 256, 13, 13]	884,992
        ReLU-10	[ -1, 256, 13, 13]	0
        Conv2d-11	[ -1, 256, 13, 13]	590,080
        ReLU-12	[ -1, 256, 13, 13]	0
        MaxPool2d-13	[ -1, 256, 6, 6]	0
        Dropout-14	[ -1, 9216]	0
        Linear-15	[ -1, 4096]	37,752,832
        ReLU-16	[ -1, 4096]	0
        Dropout-17	[ -1, 4096]	0
        Linear-18	[ -1, 4096]	16,781,312
        ReLU-19	[ -1, 4096]	0
        Linear-20	[ -1, 1000]	4,097,000
    """)
    assert table == computed(analysis, without_ops=("flatten",))
    totals = analysis.totals
    assert (61_100_840, 61_100_840, 0) == (totals.params, totals.trainable_params, totals.frozen_params)
    assert "0.57" == mib(totals.torchsummary_input_bytes)
    assert "8.31" == mib(totals.torchsummary_activation_bytes)
    assert "233.08" == mib(totals.torchsummary_param_bytes)
    assert "241.96" == mib(totals.torchsummary_total_bytes)


def test_todays_alexnet_has_one_row_more_and_torchsummary_says_8_38():
    """N10, as torchvision is now."""
    now, then = cnnprof.analyze("alexnet"), cnnprof.analyze("alexnet_2017")

    assert ["adaptiveavgpool2d"] == [row.op for row in now.rows if row.op not in {other.op for other in then.rows}]
    assert then.totals.layers + 1 == now.totals.layers
    assert (61_100_840, 714_188_480) == (now.totals.params, now.totals.macs)
    assert "8.38" == mib(now.totals.torchsummary_activation_bytes)


def test_alexnet_with_17_classes_reproduces_every_row_of_the_keras_table_of_deck_0():
    """N11."""
    analysis = cnnprof.analyze("alexnet_keras17")

    table = printed("""
        conv2d (Conv2D)                 (None, 54, 54, 96)   34,944
        max_pooling2d (MaxPooling2D)    (None, 27, 27, 96)   0
        conv2d_1 (Conv2D)               (None, 17, 17, 256)  2,973,952
        max_pooling2d_1 (MaxPooling2D)  (None, 8, 8, 256)    0
        conv2d_2 (Conv2D)               (None, 6, 6, 384)    885,120
        conv2d_3 (Conv2D)               (None, 4, 4, 384)    1,327,488
        conv2d_4 (Conv2D)               (None, 2, 2, 256)    884,992
        max_pooling2d_2 (MaxPooling2D)  (None, 1, 1, 256)    0
        flatten (Flatten)               (None, 256)          0
        dense (Dense)                   (None, 4096)         1,052,672
        dropout (Dropout)               (None, 4096)         0
        dense_1 (Dense)                 (None, 4096)         16,781,312
        dropout_1 (Dropout)             (None, 4096)         0
        dense_2 (Dense)                 (None, 1000)         4,097,000
        dropout_2 (Dropout)             (None, 1000)         0
        dense_3 (Dense)                 (None, 17)           17,017
    """)
    assert table == computed(analysis, without_ops=("relu", "softmax"))
    assert 28_054_497 == sum(row.params for row in table) == analysis.totals.params
    assert "107.02" == mib(analysis.totals.param_bytes)


def test_the_wrong_total_of_deck_0_is_shown_with_the_right_one():
    """N11: 28,854,497 is printed beside 107.02 MB, which is 28,054,497 numbers of 4 bytes."""
    total = next(claim for claim in check(cnnprof.analyze("alexnet_keras17")) if claim.fact.value == "28,854,497")

    assert (False, "28,054,497") == (total.reproduced, total.shown)
    assert "107.02" == mib(28_054_497 * 4) != mib(28_854_497 * 4)


def test_the_alexnet_of_2012_has_60_965_224_parameters_in_two_towers():
    """N12."""
    totals = cnnprof.analyze("alexnet_2012").totals

    assert (60_965_224, 724_406_816) == (totals.params, totals.macs)


def test_the_alexnet_of_2012_holds_half_of_every_layer_on_each_gpu():
    """N12: neurons per layer, both GPUs: 290,400–186,624–64,896–64,896–43,264–4096–4096–1000."""
    rows = cnnprof.analyze("alexnet_2012").rows

    def neurons(place: str) -> list[int]:
        return [row.outputs[0].numel for row in rows if row.place == place and row.op in ("conv2d", "linear")]

    whole = [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert [count // 2 for count in whole] == neurons("gpu0") == neurons("gpu1")


def test_the_gpus_of_2012_talk_before_conv3_and_the_dense_layers_only():
    """N12: values per image, each way."""
    transfers = cnnprof.analyze("alexnet_2012").transfers

    expected = [(layer, count) for layer, count in (("late", 21_632), ("fc6", 4_608), ("fc7", 2_048), ("fc8", 2_048))]
    for source, target in (("gpu0", "gpu1"), ("gpu1", "gpu0")):
        crossing = [t for t in transfers if (t.source, t.target) == (source, target)]
        assert expected == [(t.reader.split(".")[0], t.elements) for t in crossing]
    assert 8 == len(transfers)


def test_the_two_towers_of_2012_are_two_groups_on_one_device():
    """N12: conv2, conv4 and conv5 with groups = 2."""
    towers, groups = cnnprof.analyze("alexnet_2012"), cnnprof.analyze("alexnet_2012_groups")

    assert (towers.totals.params, towers.totals.macs) == (groups.totals.params, groups.totals.macs)
    assert [1, 2, 1, 2, 2] == [row.args["groups"] for row in groups.rows if row.op == "conv2d"]
    assert () == groups.transfers


def test_the_caption_of_2012_gives_the_first_layer_wrong_and_the_others_right():
    """N12: the network's neurons are said to be 253,440–186,624–64,896–64,896–43,264–4096–4096–1000."""
    claims = [claim for claim in check(cnnprof.analyze("alexnet_2012_groups")) if claim.fact.of == "output_elements"]

    assert [("253,440", "290,400")] == [(c.fact.value, c.shown) for c in claims if not c.reproduced]
    assert ["186,624", "64,896", "64,896", "43,264", "4096", "4096", "1000"] == [
        c.shown for c in claims if c.reproduced
    ]


def test_zfnet_has_the_sizes_of_its_figure_and_62_357_608_parameters():
    """N13: 110, 55, 26, 13, 13, 13, 6."""
    analysis = cnnprof.analyze("zfnet")

    sizes = [row.outputs[0].shape[2] for row in analysis.rows if row.op in ("conv2d", "maxpool2d")]
    assert [110, 55, 26, 13, 13, 13, 13, 6] == sizes
    assert 62_357_608 == analysis.totals.params
