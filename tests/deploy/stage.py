"""A checkout of its own for each file of deployment tests: what the commands write lands there."""

import os
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.deploy import page
from tests.deploy.emulator import Emulator

ROOT = Path(__file__).parents[2]
#: Seconds for which a message that was received stays out of sight, here; longer than any function runs.
VISIBILITY = 70
PROCESSOR = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
_TAKEN = (
    "Makefile",
    "app.py",
    "chalicelib",
    "infra",
    "requirements-dev.txt",
    "requirements.txt",
    "templates",
    "vendor",
)


@dataclass(frozen=True)
class Checkout:
    """Where somebody deploys from."""

    place: Path
    aws: Emulator

    def run(self, command: str, said: str = "", **more: str) -> str:
        """Run a command as docs/operations.md has it; returns what it printed. ``said`` is what a person types."""
        return page.run(command, cwd=self.place, env={**self.surroundings(), **more}, input=said)

    def surroundings(self) -> dict[str, str]:
        """Return the environment of whoever works here."""
        return self.aws.surroundings(self.place.parent)

    def deploy(self) -> str:
        """Bring the stage to what this checkout says."""
        return self.run("make deploy STAGE=dev")

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file."""
        path = self.place / name
        text = path.read_text("utf-8")
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1), "utf-8")


def checkout(place: Path, aws: Emulator, made: Path) -> Checkout:
    """Make one in an empty folder; ``made`` is the environment in which Chalice runs."""
    for name in _TAKEN:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, place / name)
    (place / ".venv").symlink_to(ROOT / ".venv")
    for name in ("requirements.txt", "requirements-dev.txt"):
        os.utime(place / name, (0, 0))  # older than the environment: make would clear that one, which is not its own
    (place / "build").mkdir()
    if made.parent == ROOT / "build":
        (place / "build" / made.name).symlink_to(made)
    # the functions run here, on this machine's processor
    config = place / "infra" / "chalice_config.py"
    text = re.sub(r'^(ARCHITECTURE: Final = )".*"$', rf'\1"{PROCESSOR}"', config.read_text("utf-8"), flags=re.MULTILINE)
    config.write_text(text, "utf-8")
    template = place / "infra" / "template.yaml"
    text = template.read_text("utf-8").replace("VisibilityTimeout: 360", f"VisibilityTimeout: {VISIBILITY}")
    template.write_text(text, "utf-8")
    return Checkout(place, aws)
