"""What is reached for inside Hugging Face's datasets: fails where an upgrade has changed it."""

import pytest

from pix2pix_lit.internals.datasets import fingerprint

datasets = pytest.importorskip("datasets")


def test_a_fingerprint_changes_with_the_content():
    table = datasets.Dataset.from_dict({"x": [1, 2, 3]})
    assert isinstance(fingerprint(table), str)
    assert fingerprint(table.select([0, 1])) == fingerprint(table.select([0, 1]))
    assert fingerprint(table.select([0, 1])) != fingerprint(table.select([0, 2]))
