"""``python -m infra``: what ops and leads do to a deployment from a terminal."""

import argparse
import importlib
import os
import sys

from infra import failures

#: Subcommand → (module with `add_arguments` and `run`, what it does).
COMMANDS = {
    "documents": ("infra.documents", "show, store and activate the cadence, the playbook, the settings and the staff"),
    "import": ("infra.importing", "tell a deployment the cases, purchases or failures of a CSV file"),
    "configure": ("infra.configure", "fetch what a bare chalice command needs of a stage that stands"),
    "deploy": ("infra.deploy", "bring a stage on AWS to what the code says"),
    "destroy": ("infra.destroy", "remove a stage from AWS"),
    "diff": ("infra.diff", "show what deploy would change"),
    "secrets": (
        "infra.keys",
        "make the secrets of a stage that are absent, or replace the key of links",
    ),
    "package": ("infra.package", "make the deployment package of a stage"),
}
_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m infra", description=__doc__)
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
    except Exception as error:
        told = failures.told(error)
        if told is None:
            raise
        said, status = told
        print(said, file=sys.stderr)
        return status


if __name__ == "__main__":
    sys.exit(main())
