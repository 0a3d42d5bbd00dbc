"""Images in, translated images and contact sheets out."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from pix2pix_lit.cli import command
from pix2pix_lit.errors import UserError

log = logging.getLogger(__name__)


def predict(config: DictConfig) -> None:
    """Translate images as ``configs/predict.yaml`` describes.

    Args:
        config: the composed config.

    Raises:
        UserError: if the checkpoint or the whole input cannot be used; and at the end if some files could not be
            read, naming them, with all others translated.
    """
    # Imported here so that --help and a mistyped key answer at once.
    import torch
    from tqdm import tqdm

    from pix2pix_lit.images import write_image
    from pix2pix_lit.inference import Translator
    from pix2pix_lit.inference.files import Failure, find_tasks, read_batches
    from pix2pix_lit.sheet import SheetPages

    for key in ("ckpt", "input", "output"):
        if config[key] in (None, ""):
            raise UserError(
                f"{key} is not set; expected: python predict.py ckpt=FILE input=FILE|FOLDER|PATTERN output=FOLDER"
            )
    best_device = "cuda" if torch.cuda.is_available() else "cpu"
    device = best_device if config.device == "auto" else config.device
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={device} cannot be used here ({error}); expected auto, cpu, cuda, ...") from error
    translator = Translator.load(config.ckpt, device)
    tasks = find_tasks(config.input, config.output, config.suffix, translator.target_type)
    sheets = Path(config.output) / "sheets"
    if config.sheets and any(task.target.is_relative_to(sheets) for task in tasks):
        raise UserError(f"translations would go to {sheets}, where sheets=true writes its pages: set sheets=false")
    pages = SheetPages(str(sheets)) if config.sheets else None

    input_picture, target_picture = translator.input_type.picture, translator.target_type.picture
    failures: list[str] = []
    batches = read_batches(tasks, config.batch_size, config.num_workers, config.half, translator.input_type)
    with tqdm(total=len(tasks), unit="image") as progress:
        for batch in batches:
            if isinstance(batch, Failure):
                failures.append(batch.message)
                progress.update()
                continue
            translations = translator(torch.from_numpy(batch.images).permute(0, 3, 1, 2))
            for i, fake in enumerate(translations.permute(0, 2, 3, 1).numpy()):
                write_image(batch.tasks[i].target, translator.target_type.as_in_files(fake))
                if pages is not None:
                    target = {} if batch.other_halves is None else {"target": target_picture(batch.other_halves[i])}
                    pages.add({"input": input_picture(batch.images[i]), "generated": target_picture(fake)} | target)
            progress.update(len(batch.tasks))
    if pages is not None:
        pages.close()

    log.info("%d of %d images translated into %s", len(tasks) - len(failures), len(tasks), config.output)
    if failures:
        raise UserError(f"{len(failures)} of {len(tasks)} files were left out:\n  " + "\n  ".join(sorted(failures)))


main = command("predict")(predict)

if __name__ == "__main__":
    main()
