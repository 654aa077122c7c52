"""Puts bytecode into a zip that Chalice made, so that functions start without compiling what they import.

Run by the Python of the Lambda runtime, for bytecode fits one release only; it needs the standard library alone:
``python3.13 infra/bytecode.py deployment.zip``. The same input gives the same bytes, so an unchanged deployment is seen
to be unchanged.
"""

import compileall
import stat
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from py_compile import PycInvalidationMode

#: Where Lambda unpacks the zip: tracebacks show these paths.
TASK = "/var/task"
#: The oldest time that a zip can hold; the time of packaging would make every zip another one.
_EPOCH = (1980, 1, 1, 0, 0, 0)
#: Readable by whichever user runs the function, whatever the umask was here.
_MODE = stat.S_IFREG | 0o644


class NotCompiled(Exception):
    """A source in the zip does not compile; what and why is on stdout."""


def add_bytecode(path: Path) -> None:
    """Rewrite the zip in place with bytecode beside each source; raises NotCompiled and leaves the zip as it is.

    The bytecode is of the kind that is never checked against its source: nothing can change in a function's folder, and
    the check would read every source again.
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
        rewritten = path.with_suffix(".rewritten")
        _pack(root, rewritten)
    rewritten.replace(path)


def _unpack(path: Path, root: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not _is_leftover(name):
                archive.extract(name, root)


def _is_leftover(name: str) -> bool:
    """Say whether a file is of the machine that packaged: bytecode of another Python, an editor's or a system's file.

    Chalice takes all that lies in chalicelib and vendor.
    """
    path = PurePosixPath(name)
    return "__pycache__" in path.parts or path.name.startswith(".") or path.suffix in {".orig", ".rej", ".swp", ".pyc"}


def _pack(root: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for each in sorted(one for one in root.rglob("*") if one.is_file()):
            entry = zipfile.ZipInfo(each.relative_to(root).as_posix(), _EPOCH)
            entry.external_attr = _MODE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, each.read_bytes())


if __name__ == "__main__":
    add_bytecode(Path(sys.argv[1]))
