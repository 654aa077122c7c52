"""How long a fresh interpreter takes to import the packaged application, with the bytecode in the zip and without.

Packages the stage for the processor of this machine, unpacks the zip twice, takes the bytecode out of one copy, and
lets fresh interpreters import ``app`` and all that a survey page needs from each in turn. Like a function's folder,
neither copy is written to (``-B``):

    .venv/bin/python -m benchmarks.package_start [--runs 15]
"""

import argparse
import json
import platform
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from statistics import median
from typing import Final

from infra import chalice_config
from infra.interpreter import interpreter
from infra.package import PROJECT, package

_PROGRAM: Final = """
from time import perf_counter
began = perf_counter()
import app
import boto3
import chalicelib.wiring, chalicelib.pipeline, chalicelib.links, chalicelib.store.table, chalicelib.store.documents
import chalicelib.entry.pages.answers, chalicelib.entry.desk, chalicelib.effects.queue
from chalicelib.effects.rendering import environment
environment().get_template("pages/answer.html")
print(perf_counter() - began)
"""


def main() -> None:
    """Measure and print one JSON object: medians in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    python = interpreter(PROJECT)
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    made = package("benchmark", architecture=machine, python=python)
    with tempfile.TemporaryDirectory() as folder:
        shipped, bare = Path(folder) / "shipped", Path(folder) / "bare"
        with zipfile.ZipFile(made.zip) as archive:
            archive.extractall(shipped)
        shutil.copytree(shipped, bare, ignore=shutil.ignore_patterns("__pycache__"))
        taken: dict[Path, list[float]] = {shipped: [], bare: []}
        for _ in range(runs):
            for each, times in taken.items():
                times.append(_once(python.python, each))
    with_bytecode, without = (median(taken[each]) * 1000 for each in (shipped, bare))
    print(
        json.dumps(
            {
                "python": python.version,
                "functions": len(chalice_config.FUNCTIONS),
                "zip_megabytes": round(made.zip.stat().st_size / 1e6, 2),
                "runs": runs,
                "import_ms_with_bytecode": round(with_bytecode),
                "import_ms_without": round(without),
            }
        )
    )


def _once(python: Path, folder: Path) -> float:
    """Return the seconds that one fresh interpreter takes; boto3 comes from its own packages, as on Lambda."""
    path = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    command = [python, "-I", "-B", "-c", path + _PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    return float(done.stdout)


if __name__ == "__main__":
    main()
