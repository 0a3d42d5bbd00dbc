"""The command: read and check all pairs; report in a table, a JSON file and an HTML page."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from pix2pix_lit.checks import FilePath, check_integer
from pix2pix_lit.errors import UserError, shown
from pix2pix_lit.files.json import as_json
from pix2pix_lit.runs.command import command

if TYPE_CHECKING:
    import numpy as np

    from pix2pix_lit.data import PairsDataModule
    from pix2pix_lit.data.audit.findings import Finding
    from pix2pix_lit.data.audit.split import Split

log = logging.getLogger(__name__)

_ROWS = 6  # pairs that are shown as the network sees them
_EPOCHS = 2  # augmented versions of each


class Keys:
    """The types of the keys of ``configs/audit.yaml`` that belong to no group."""

    output: FilePath
    num_workers: int
    seed: int


def audit(config: DictConfig) -> None:
    """Audit the data that ``configs/audit.yaml`` describes.

    Args:
        config: the composed config.

    Raises:
        UserError: if neither split can be read or the output cannot be written; and at the end if there are errors,
            which makes the exit status of the command 1.
    """
    # Imported here so that --help and a mistyped key answer at once.
    from hydra.utils import instantiate

    from pix2pix_lit.data.audit.checks import run_checks
    from pix2pix_lit.data.audit.findings import Finding, Report
    from pix2pix_lit.data.audit.page import write_page
    from pix2pix_lit.data.audit.report import as_table

    started = time.monotonic()
    if not config.output:
        raise UserError("output is not set; expected the folder for the report: pass output=FOLDER")
    check_integer("num_workers", config.num_workers)
    output = Path(config.output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"output={output} cannot be created ({error}); expected a writable folder") from error
    datamodule = instantiate(config.data, cache="none", _convert_="all")  # every pair is read only once
    splits, findings = _measure(datamodule, config.num_workers)
    found, skipped = run_checks(splits, datamodule.hparams.snap_labels)
    network: dict[str, list[np.ndarray]] = {}
    try:
        network = _as_network_sees(datamodule, splits)
        if not network:
            skipped["settings"] = "no training pair, or no validation split, that can be read"
    except UserError as error:
        findings.append(Finding("settings", str(error)))
    report = Report(
        title=f"{datamodule.root}" if datamodule.root else "pairs made on demand",
        splits={split.name: split.summary() for split in splits},
        findings=[*findings, *found],
        skipped=skipped,
        seconds=time.monotonic() - started,
    )
    (output / "audit.json").write_text(as_json(report.as_dict(), indent=1) + "\n", "utf-8")
    write_page(output / "audit.html", report, splits, network)
    log.info("%s\nPictures: %s, figures: %s", as_table(report), output / "audit.html", output / "audit.json")
    if report.count("error"):
        raise UserError(f"{report.verdict}; see {output / 'audit.html'}")


def _measure(datamodule: PairsDataModule, num_workers: int) -> tuple[list[Split], list[Finding]]:
    """Read both splits; a split that cannot be read is a finding, unless both cannot."""
    from tqdm import tqdm

    from pix2pix_lit.data.audit.findings import Finding
    from pix2pix_lit.data.audit.measure import measure_pairs
    from pix2pix_lit.data.audit.split import Split

    names = list(dict.fromkeys((datamodule.train_split, datamodule.val_split)))
    splits, findings = [], []
    for name in names:
        try:
            source = datamodule.build_source(name)
            if not len(source):
                raise UserError(f"split {name} has no pairs; expected at least one")
        except UserError as error:
            findings.append(Finding("no pairs", str(error)))
            continue
        reading = tqdm(measure_pairs(source, num_workers), total=len(source), desc=shown(name), unit="pair")
        splits.append(Split(name, source, list(reading)))
    if not splits:
        raise UserError(findings[0].message)
    if len(names) == 1:
        findings.append(Finding("leak", f"data.train_split and data.val_split are both {names[0]}"))
    return splits, findings


def _as_network_sees(datamodule: PairsDataModule, splits: list[Split]) -> dict[str, list[np.ndarray]]:
    """Some readable training pairs in columns; none if a split is missing.

    Raises:
        UserError: if the pairs cannot be resized or augmented as configured.
    """
    from pix2pix_lit.data.dataset import evenly_spread
    from pix2pix_lit.data.preview import as_network_sees

    usable = [index for split in splits if split.name == datamodule.train_split for index, _ in split.measured()]
    if not usable or datamodule.val_split not in [split.name for split in splits]:
        return {}
    datamodule.setup("fit")
    return as_network_sees(datamodule, [usable[place] for place in evenly_spread(len(usable), _ROWS)], _EPOCHS)


main = command("audit", Keys, required=["data", "output"])(audit)

if __name__ == "__main__":
    main()
