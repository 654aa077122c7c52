"""``python -m local``: the whole product on one machine."""

import argparse
import importlib
import os
import sys

#: Subcommand → (module with `add_arguments` and `run`, what it does).
COMMANDS = {
    "demo": ("local.demo", "run the whole product on this machine, with real cases and a clock that you move"),
    "replay": ("local.replay", "drive cases from files through the whole stack on a virtual clock"),
    "words": ("local.catalogues", "bring the catalogues of translations up to date"),
    "diagram": ("local.diagram", "draw the state table of a journey"),
}
_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (module, says) in COMMANDS.items():
        command = commands.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}.")
        # Only the one that is asked for is imported: the others may take long to load.
        if given[:1] == [name]:
            importlib.import_module(module).add_arguments(command)
    args = parser.parse_args(given)
    try:
        return int(importlib.import_module(COMMANDS[args.command][0]).run(args))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read our output has gone
        return 1


if __name__ == "__main__":
    sys.exit(main())
