"""The command line: ``pix2pix-lit COMMAND [KEY=VALUE ...]``, which is ``python -m pix2pix_lit COMMAND``."""

import importlib
import sys
from collections.abc import Sequence

from pix2pix_lit import __version__
from pix2pix_lit.errors import did_you_mean, shown

USAGE = "pix2pix-lit COMMAND [KEY=VALUE ...]"

COMMANDS = {
    "train": ("pix2pix_lit.train", "train a generator on pairs of images, or resume a training"),
    "predict": ("pix2pix_lit.predict", "translate images and videos with a trained generator"),
    "evaluate": ("pix2pix_lit.evaluate", "score translations beside real images and simple baselines"),
    "export": ("pix2pix_lit.export.__main__", "write a generator as a file for other programs, and check that file"),
    "prepare": ("pix2pix_lit.data.prepare", "download and unpack a data set"),
    "audit": ("pix2pix_lit.data.audit.__main__", "find problems of a data set before training on it"),
    "preview": ("pix2pix_lit.data.preview", "show pairs as the network sees them"),
    "examples": ("pix2pix_lit.data.examples", "write synthetic street scenes as image files, to try a model on"),
    "sweep-results": ("pix2pix_lit.sweep.results", "write a table of the runs in a folder, best first"),
}
"""Every command: the module whose ``main`` it calls, and a one-line description."""

FORMER_NAMES = {"look": "preview"}


def overview() -> str:
    """The list of commands that ``pix2pix-lit`` prints without arguments."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join([f"Usage: {USAGE}", "", *lines, "", "pix2pix-lit COMMAND --help shows the keys of a command."])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command named by the first argument.

    Args:
        arguments: of the command line; None for ``sys.argv[1:]``.

    Raises:
        SystemExit: with a message, for a command that does not exist.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("--help", "-h"):
        print(overview())
    elif name == "--version":
        print(f"pix2pix-lit {__version__}")
    elif name in COMMANDS:
        sys.argv = [f"pix2pix-lit {name}", *rest]
        importlib.import_module(COMMANDS[name][0]).main()
    else:
        meant = FORMER_NAMES.get(name, name.replace("_", "-"))
        raise SystemExit(
            f"error: there is no command {shown(name)}; expected one of {', '.join(COMMANDS)}"
            f"{did_you_mean(meant, COMMANDS)}"
        )


if __name__ == "__main__":
    main()
