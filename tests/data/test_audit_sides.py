"""Which side is which, by numbers."""

import numpy as np

from pix2pix_lit.data.audit.sides import Appearance, appearance, labels_look_like_photos, turned_pairs


def looks(seed: int, **changes: float) -> Appearance:
    usual = Appearance(120.0, 110.0, 100.0, 50.0, 30.0, 10.0, 0.3)._replace(**changes)
    noise = np.random.default_rng(seed).normal(1, 0.05, len(usual))
    return Appearance(*np.multiply(usual, noise).tolist())


PHOTOS = [looks(i) for i in range(40)]
LABELS = [looks(100 + i, saturation=90, flatness=0.95) for i in range(40)]


def test_labels_are_known_by_their_flatness():
    assert labels_look_like_photos(list(zip(PHOTOS, LABELS, strict=True)), [])
    assert not labels_look_like_photos(list(zip(LABELS, PHOTOS, strict=True)), [])


def test_rough_labels_that_are_of_their_palette_are_labels():
    pairs = list(zip(PHOTOS, LABELS, strict=True))
    assert not labels_look_like_photos(pairs, [(0.0, 0.6)] * 40)
    assert labels_look_like_photos(pairs, [(0.6, 0.0)] * 40)


def test_some_pairs_that_are_the_other_way_round_do_not_make_the_set_so():
    pairs = [*zip(PHOTOS[:8], LABELS[:8], strict=True), *zip(LABELS[8:], PHOTOS[8:], strict=True)]
    assert not labels_look_like_photos(pairs, [])


def test_turned_pairs_are_found_whatever_the_sides_are():
    pairs = list(zip(PHOTOS, LABELS, strict=True))
    pairs[5], pairs[30] = pairs[5][::-1], pairs[30][::-1]
    assert turned_pairs(pairs) == ([5, 30], "")


def test_pairs_of_sides_that_look_alike_are_not_checked():
    assert turned_pairs(list(zip(PHOTOS, [looks(200 + i) for i in range(40)], strict=True))) == (
        [],
        "A and B look too much alike",
    )


def test_appearance_of_a_picture_is_in_levels_of_8_bits():
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:, 20:] = (200, 100, 0)
    measured = appearance(picture)
    assert (measured.red, measured.green, measured.blue) == (100, 50, 0)
    assert measured.saturation == 100
    assert measured.contrast == 50
    assert measured.flatness == 38 / 39
