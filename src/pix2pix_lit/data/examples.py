"""Example images of streets to try a trained model on: pix2pix-lit examples output=FOLDER."""

import logging
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from pix2pix_lit.checks import FilePath, check_integer
from pix2pix_lit.errors import UserError
from pix2pix_lit.runs.command import command

log = logging.getLogger(__name__)


class Keys:
    """The types of the keys of ``configs/examples.yaml``."""

    output: FilePath
    count: int
    size: int | list[int]
    seed: int


def examples(config: DictConfig) -> None:
    """Write the streets that ``configs/examples.yaml`` describes, each as ``labels/NAME.png`` and ``photos/NAME.png``.

    Args:
        config: the composed config.

    Raises:
        UserError: for invalid ``count``, ``size`` or ``seed``, and if a file cannot be written.
    """
    # Imported here so that --help and a mistyped key answer at once.
    from pix2pix_lit.data.size import height_and_width
    from pix2pix_lit.data.sources.streets import StreetsSource
    from pix2pix_lit.images.files import write_image

    if not config.output:
        raise UserError("output is not set; expected the folder for labels/ and photos/: pass output=FOLDER")
    check_integer("count", config.count, 1)
    plain = OmegaConf.to_container(config)
    assert isinstance(plain, dict)
    size = height_and_width(plain["size"], "size", smallest=32, largest=4096)
    source = StreetsSource(split="val", size=size, val_length=config.count, seed=config.seed)
    output = Path(config.output)
    for index in range(len(source)):
        photo, labels, name = source[index]
        write_image(output / "labels" / f"{name}.png", labels)
        write_image(output / "photos" / f"{name}.png", photo)
    log.info("%d streets of %dx%d pixels written to %s, in labels/ and photos/", len(source), *size[::-1], output)
    log.info(
        "Next, for a model that generates photos: pix2pix-lit predict ckpt=RUN input=%s output=%s gallery=true",
        output / "labels",
        output.parent / "translated",
    )


main = command("examples", Keys, required=["output"])(examples)

if __name__ == "__main__":
    main()
