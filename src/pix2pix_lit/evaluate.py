"""The evaluate command: scores of translations, of the real images and of simple baselines, by the same code."""

import datetime
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from pix2pix_lit.checks import FilePath, Word, check_flag, check_integer
from pix2pix_lit.errors import UserError, shown
from pix2pix_lit.runs.command import command

if TYPE_CHECKING:
    from pix2pix_lit.data import PairsDataModule
    from pix2pix_lit.evaluation.judges import Judge
    from pix2pix_lit.evaluation.translations import Translated, Translations
    from pix2pix_lit.metrics import ImageMetric

log = logging.getLogger(__name__)


class Keys:
    """The types of the keys of ``configs/evaluate.yaml`` that belong to no group."""

    ckpt: FilePath | None
    generated: FilePath | None
    target: FilePath | None
    input: FilePath | None
    target_palette: Word | None
    input_palette: Word | None
    size: int | list[int] | None
    output: FilePath
    limit: int | None
    judges: dict[str, FilePath]
    norm_inference: Word | None
    precision: Word | None
    batch_size: int
    device: Word
    trusted: bool
    seed: int


def evaluate(config: DictConfig) -> None:
    """Score translations as ``configs/evaluate.yaml`` describes.

    Args:
        config: the composed config.

    Raises:
        UserError: if the model, the images or a value cannot be used.
    """
    # Imported here so that --help and a mistyped key answer at once.
    from pix2pix_lit.evaluation.baselines import rows_of
    from pix2pix_lit.evaluation.scores import score
    from pix2pix_lit.memory import keep_freed_memory

    _check(config)
    keep_freed_memory()
    device = _device(config.device)
    datamodule = None if config.generated else _datamodule(config)
    translations = _translations(config, datamodule, device)
    metrics = _metrics(config, translations)
    judges = _judges(config, translations, device)
    rows = rows_of(translations, datamodule)
    scores = score(translations, rows, metrics, judges, device, _with_progress(translations))
    scores.protocol = _protocol(config, translations, scores.images, metrics, judges)
    output = Path(config.output)
    scores.write(output)
    log.info("%s", scores.as_markdown())
    log.info("The scores are in %s", shown(output))


def _check(config: DictConfig) -> None:
    check_flag("trusted", config.trusted)
    check_integer("batch_size", config.batch_size, 1)
    if config.limit is not None:
        check_integer("limit", config.limit, 1)
    usage = "pix2pix-lit evaluate ckpt=FILE data=NAME, or pix2pix-lit evaluate generated=FOLDER target=FOLDER"
    if (config.ckpt in (None, "")) == (config.generated in (None, "")):
        found = "neither ckpt nor generated is" if not config.ckpt else "both ckpt and generated are"
        raise UserError(f"{found} set; expected: {usage}")
    if config.generated and not config.target:
        raise UserError(f"generated is set, but target is not; expected the folder of the real images: {usage}")


def _device(device: str) -> str:
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else str(device)


def _datamodule(config: DictConfig) -> "PairsDataModule":
    from hydra.utils import instantiate

    datamodule = instantiate(config.data, val_batch_size=config.batch_size, cache="none", _convert_="all")
    datamodule.setup()
    return datamodule


def _translations(config: DictConfig, datamodule: "PairsDataModule | None", device: str) -> "Translations":
    from pix2pix_lit.evaluation.translations import FolderTranslations, ModelTranslations
    from pix2pix_lit.images.image_type import ImageType
    from pix2pix_lit.inference import Translator

    if datamodule is not None:
        translator = Translator.load(config.ckpt, device, config.precision, config.norm_inference, config.trusted)
        return ModelTranslations(translator, datamodule, config.limit)
    target_type, input_type = (
        ImageType() if palette is None else ImageType(kind="colors", palette=palette)
        for palette in (config.target_palette, config.input_palette)
    )
    size = OmegaConf.to_container(config.size) if OmegaConf.is_config(config.size) else config.size
    input = Path(config.input) if config.input else None
    return FolderTranslations(
        Path(config.generated),
        Path(config.target),
        input,
        target_type,
        input_type,
        size,  # type: ignore[arg-type]
        config.limit,
        config.batch_size,
    )


def _metrics(config: DictConfig, translations: "Translations") -> "list[ImageMetric]":
    from pix2pix_lit.metrics.metric_set import available, built_metrics

    chosen = built_metrics(OmegaConf.to_container(config.metrics, resolve=True))  # type: ignore[arg-type]
    metrics = [metric for metric in chosen if metric.is_of_kind(translations.target_type)]
    measured, left_out = available(metrics, translations.target_type, *translations.smallest_size, translations.count)
    for reason in left_out.values():
        log.info("Not measured: %s", reason)
    return measured


def _judges(config: DictConfig, translations: "Translations", device: str) -> "list[Judge]":
    from pix2pix_lit.evaluation.judges import Judge

    if not config.judges:
        return []
    labels, photos = translations.input_type, translations.target_type
    if labels is None or not labels.is_labels or photos.is_labels:
        raise UserError(
            f"judges segment generated photos to compare them with their labels, but the inputs are "
            f"{'not known' if labels is None else labels.describe()} and the targets {photos.describe()}; expected "
            f"labels -> photos: leave judges out, or set data.direction, or input and input_palette"
        )
    return [Judge(str(name), Path(path), labels, photos, device) for name, path in config.judges.items()]


def _with_progress(translations: "Translations") -> "Iterator[Translated]":
    from pix2pix_lit.inference.progress import Progress

    progress = Progress(translations.count, is_shown=sys.stderr is not None)
    try:
        for batch in translations:
            yield batch
            for _ in batch.names:
                progress.file_done()
    finally:
        progress.close()


def _protocol(
    config: DictConfig,
    translations: "Translations",
    images: list[str],
    metrics: "list[ImageMetric]",
    judges: "list[Judge]",
) -> dict[str, Any]:
    import torch

    import pix2pix_lit
    from pix2pix_lit.evaluation.scores import hash_of
    from pix2pix_lit.files.sha256 import sha256_of
    from pix2pix_lit.runs.folder import checkpoint_in

    checkpoint = checkpoint_in(config.ckpt) if config.ckpt else None
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": pix2pix_lit.__version__,
        "torch": torch.__version__,
        "images": len(images),
        "of": translations.available,
        "spread": "evenly over the sorted list",
        "images_sha256": hash_of(images),
        "checkpoint": None if checkpoint is None else {"file": checkpoint.name, "sha256": sha256_of(checkpoint)},
        "precision": config.precision,
        **translations.protocol(),
        "metrics": {metric.name: metric.protocol() for metric in metrics},
        "judges": {judge.name: judge.protocol() for judge in judges},
    }


main = command("evaluate", Keys, required=["data", "output"])(evaluate)

if __name__ == "__main__":
    main()
