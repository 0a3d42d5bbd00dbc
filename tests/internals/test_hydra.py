"""What is reached for inside Hydra: fails where an upgrade has changed it."""

from pix2pix_lit.internals.hydra import argument_parser


def test_the_parser_has_the_options_that_are_looked_at():
    options = argument_parser().parse_args(["a=1", "~b", "-m", "--cfg", "job"])
    assert options.overrides == ["a=1", "~b"]
    assert options.multirun is True
    assert options.cfg == "job"
    for name in (
        "hydra_help",
        "info",
        "shell_completion",
        "experimental_rerun",
        "config_path",
        "config_name",
        "config_dir",
    ):
        assert not getattr(options, name)
