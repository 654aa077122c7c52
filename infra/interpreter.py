"""Finds the Python that Lambda will run, and gives it an environment of its own to run Chalice in.

Chalice deploys for the Python that runs it, so the interpreter that packages decides the runtime. What people develop
on may be another one.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.failures import Failed

#: The runtime unless the caller names another: the newest that Lambda and all wheels of requirements.txt have.
RUNTIME: Final = "3.13"
#: Those that a stage may run on; the tests make the package for each of them.
RUNTIMES: Final = ("3.11", "3.12", RUNTIME)
#: What runs ``chalice``; requirements-dev.txt pins the releases, and those of what they bring along.
_TOOLS: Final = ("chalice", "boto3", "pip", "setuptools", "wheel")


class Unusable(Failed):
    """No environment could be made; the message says what failed."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python with Chalice installed."""

    python: Path
    #: As Lambda names it without ``python``: "3.13".
    version: str

    @property
    def chalice(self) -> Path:
        """The command line of Chalice, run by this Python."""
        return self.python.with_name("chalice")


def interpreter(project: Path, runtime: str = RUNTIME) -> Interpreter:
    """Return a Python of that release with Chalice, made under ``build/`` on first use.

    Where the machine has no such Python, the running one is used, and stderr says so: the deployment is then for that
    runtime. Raises Unusable when the environment cannot be made.
    """
    base = _find(runtime)
    if base is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(
            f"*** There is no python{runtime} on this machine: packaging with {sys.executable} instead.\n"
            f"*** The functions will run on python{version}. Install python{runtime} and run this again to change it.",
            file=sys.stderr,
        )
        return _running(version)
    if base.resolve() == Path(sys.executable).resolve():
        return _running(runtime)
    return Interpreter(_environment(project, base, runtime), runtime)


def _running(version: str) -> Interpreter:
    """The environment of this process has Chalice: requirements-dev.txt brought it."""
    return Interpreter(Path(sys.executable), version)


def _find(version: str) -> Path | None:
    """Return an interpreter that runs and is of that release."""
    return next((each for each in _candidates(version) if _version_of(each) == version), None)


def _candidates(version: str) -> Iterator[Path]:
    yield Path(sys.executable)
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    # pyenv's own command on the path refuses a release that is installed but not selected
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)
    uv = Path.home() / ".local/share/uv/python"
    yield from sorted(uv.glob(f"cpython-{version}.*/bin/python{version}"), reverse=True)


def _version_of(python: Path) -> str | None:
    program = "import sys; print(f'{sys.version_info.major}.{sys.version_info.minor}')"
    done = run_quietly([python, "-I", "-c", program])
    return done.stdout.strip() if done.returncode == 0 else None


def _environment(project: Path, base: Path, version: str) -> Path:
    """Make the environment, or keep the one there is while the requirement files stay the same."""
    requirements = [project / "requirements.txt", project / "requirements-dev.txt"]
    wanted = hashlib.sha256(b"".join(each.read_bytes() for each in requirements)).hexdigest()
    place = project / "build" / f"python{version}"
    python, stamp = place / "bin" / "python", place / "made-for"
    with alone_with(place):
        if stamp.is_file() and stamp.read_text("utf-8") == wanted and _version_of(python) == version:
            return python
        print(f"Installing Chalice for python{version} into {place.relative_to(project)} …", flush=True)
        _run([base, "-m", "venv", "--clear", place])
        install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*install, "--constraint", requirements[1], *_TOOLS, "--requirement", requirements[0]])
        stamp.write_text(wanted, "utf-8")
    return python


@contextmanager
def alone_with(place: Path) -> Iterator[None]:
    """Let one process at a time make what lies there; the others wait, and find it made."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str | Path]) -> None:
    done = run_quietly(command)
    if done.returncode:
        raise Unusable(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def run_quietly(
    command: Sequence[str | Path], env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of this project and return how it ended, with what it printed."""
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=cwd)  # noqa: S603 - no shell, and no command from outside
