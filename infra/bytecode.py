"""Puts bytecode into a zip that Chalice made, so that functions start without compiling what they import and render.

What no function imports is left out of it.

Run by the Python of the Lambda runtime, for bytecode fits one release only, in an environment that has the packages of
the zip for this machine: ``python3.13 infra/bytecode.py deployment.zip``. The same input gives the same bytes, so an
unchanged deployment is seen to be unchanged.
"""

import compileall
import re
import stat
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from py_compile import PycInvalidationMode
from typing import Final

from jinja2 import Environment, FileSystemLoader

#: Where Lambda unpacks the zip: tracebacks show these paths.
TASK: Final = "/var/task"
#: The oldest time that a zip can hold; the time of packaging would make every zip another one.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_LEFT_BEHIND: Final = frozenset({".orig", ".rej", ".swp", ".pyc", ".po", ".pot"})
#: Readable by whichever user runs the function, whatever the umask was here.
_MODE: Final = stat.S_IFREG | 0o644


#: What no function of ours imports and its package brings along: a tenth of the zip, 3 MB of it unpacked.
UNUSED: Final = re.compile(
    r"(?:^|/)(?:aws_lambda_powertools/(?:event_handler|utilities/(?!jmespath_utils)\w+)|cffi|pycparser)/"
)


class NotCompiled(Exception):
    """A source in the zip does not compile; what and why is on stdout."""


def add_bytecode(path: Path) -> None:
    """Rewrite the zip in place with bytecode beside each source; raises NotCompiled and leaves the zip as it is.

    The bytecode is of the kind that is never checked against its source: nothing can change in a function's folder, and
    the check would look at every source again.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _unpack(path, root)
        if not compileall.compile_dir(
            root,
            maxlevels=100,
            quiet=1,
            stripdir=folder,
            prependdir=TASK,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        ):
            raise NotCompiled(str(path))
        _compile_templates(root)
        rewritten = path.with_suffix(".rewritten")
        _pack(root, rewritten)
    rewritten.replace(path)


class _AsDeployed(FileSystemLoader):
    """Loads templates from here and names them as they are named there: else a folder of today ends up in the code."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """Return the source, where it will lie, and that it never changes."""
        source, _, _ = super().get_source(environment, template)
        return source, f"{TASK}/templates/{template}", lambda: True


def _compile_templates(root: Path) -> None:
    """Have the renderer of the zip compile every template into its own cache beside them.

    Its packages are not imported from the zip, for some are made for another processor, but from this environment.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name in ("chalicelib", "templates"):
            (Path(folder) / name).symlink_to(root / name)
        sys.path.insert(0, folder)
        from chalicelib.effects import rendering  # noqa: PLC0415 - that of the zip, found where the path points now

        environment = rendering.environment()
        environment.loader = _AsDeployed(rendering.TEMPLATES)
        sys.dont_write_bytecode = False  # the renderer keeps its cache under the same condition as Python
        for name in environment.list_templates(filter_func=lambda each: "__pycache__" not in each):
            environment.get_template(name)


def _unpack(path: Path, root: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not _is_leftover(name):
                archive.extract(name, root)


def _is_leftover(name: str) -> bool:
    """Say whether a file is of the machine that packaged: bytecode of another Python, an editor's or a system's file.

    Chalice takes all that lies in chalicelib and vendor, and whole wheels. What translators work on is left behind too:
    the functions read the catalogues that were made of it.
    """
    path = PurePosixPath(name)
    return (
        bool(UNUSED.search(name))
        or "__pycache__" in path.parts
        or path.name.startswith(".")
        or path.suffix in _LEFT_BEHIND
    )


def _pack(root: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for each in sorted(one for one in root.rglob("*") if one.is_file()):
            entry = zipfile.ZipInfo(each.relative_to(root).as_posix(), _EPOCH)
            entry.external_attr = _MODE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, each.read_bytes())


if __name__ == "__main__":
    add_bytecode(Path(sys.argv[1]))
