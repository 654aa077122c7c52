"""The tree is the architecture: who may import whom, and what the pure part must not know."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

#: Who may import whom. The longest name that fits a module is its row; a row names everything of ours that it may
#: import besides itself, modules below a name included. A module without a row fails: give it one.
ARROWS: dict[str, set[str]] = {
    "app": {"chalicelib.wiring", "chalicelib.entry", "chalicelib.settings"},
    "chalicelib": set(),
    "chalicelib.wiring": {"chalicelib"},
    "chalicelib.settings": set(),
    "chalicelib.boundary": set(),
    "chalicelib.links": set(),
    "chalicelib.telemetry": set(),
    "chalicelib.vault": {"chalicelib.boundary"},
    "chalicelib.entry": {
        "chalicelib.pipeline",
        "chalicelib.journey",
        "chalicelib.store",
        "chalicelib.effects.rendering",
        "chalicelib.effects.samples",
        "chalicelib.effects.letters",
        "chalicelib.effects.queue",
        "chalicelib.effects.sentiment",
        "chalicelib.effects.words",
        "chalicelib.links",
        "chalicelib.insight",
        "chalicelib.settings",
        "chalicelib.telemetry",
        "chalicelib.vault",
    },
    "chalicelib.pipeline": {
        "chalicelib.journey",
        "chalicelib.store",
        "chalicelib.effects",
        "chalicelib.telemetry",
    },
    "chalicelib.effects": {
        "chalicelib.journey",
        "chalicelib.store",
        "chalicelib.boundary",
        "chalicelib.links",
        "chalicelib.telemetry",
    },
    "chalicelib.store": {"chalicelib.journey", "chalicelib.boundary"},
    "chalicelib.insight": {"chalicelib.store", "chalicelib.journey"},
    "chalicelib.defaults": {"chalicelib.journey"},
    "chalicelib.journey": set(),
}

#: What chalicelib.journey may import from outside: nothing with a clock, dice, a disk or a wire behind it.
PURE = {
    *(
        "__future__",
        "abc",
        "base64",
        "bisect",
        "calendar",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
    ),
    *("decimal", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json", "math", "numbers"),
    *("operator", "re", "statistics", "string", "textwrap", "types", "typing", "unicodedata", "zoneinfo", "msgspec"),
}
#: What reads a clock, and what acts, although nothing was imported for it.
CLOCKS = {"now", "utcnow", "today"}
ACTS = {"open", "print", "input", "eval", "exec", "compile", "__import__"}

#: Never part of what ships.
NOT_SHIPPED = {"local", "tests", "infra", "benchmarks", "moto", "pytest", "hypothesis"}
#: The AWS SDK: wiring builds the clients. Errors and types of the SDK may be named where its answers are read.
SDK = {"boto3", "botocore", "s3transfer"}
SDK_NAMES = {"botocore.exceptions", "botocore.parsers"}

ROOT = Path(__file__).parents[2]
OURS = {"app", "chalicelib"}


@dataclass(frozen=True)
class Module:
    name: str
    tree: ast.Module
    imports: tuple[tuple[str, int], ...]
    """Full names, as deep as they are known, each with its line."""

    @property
    def row(self) -> str:
        return max((row for row in ARROWS if _below(self.name, row)), key=len, default="")


def _below(name: str, parent: str) -> bool:
    return name == parent or name.startswith(parent + ".")


def _allowed(name: str, parents: set[str]) -> bool:
    return any(_below(name, parent) for parent in parents)


def _modules(root: Path) -> list[Module]:
    paths = {
        ".".join(_parts(path.relative_to(root))): path
        for path in chain(root.glob("app.py"), root.glob("chalicelib/**/*.py"))
    }
    return [
        Module(name, tree, tuple(_imports(tree, name, is_package=path.name == "__init__.py", known=set(paths))))
        for name, path in sorted(paths.items())
        for tree in [ast.parse(path.read_text("utf-8"), str(path))]
    ]


def _parts(path: Path) -> tuple[str, ...]:
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def _imports(tree: ast.Module, name: str, *, is_package: bool, known: set[str]) -> Iterator[tuple[str, int]]:
    package = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*start, *filter(None, [node.module])])
            for alias in node.names:
                deeper = f"{source}.{alias.name}"
                yield (deeper if deeper in known or alias.name == "*" else source), node.lineno


def _wrong_arrows(root: Path) -> list[str]:
    return [
        f"{module.name}:{line} imports {target}"
        for module in _modules(root)
        for target, line in module.imports
        if target.split(".")[0] in OURS and not _allowed(target, ARROWS.get(module.row, set()) | {module.row})
    ]


def _impurities(root: Path) -> Iterator[str]:
    for module in _modules(root):
        if not _below(module.name, "chalicelib.journey"):
            continue
        for target, line in module.imports:
            if target.split(".")[0] not in PURE | {"chalicelib"}:
                yield f"{module.name}:{line} imports {target}"
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in CLOCKS
                and _last_name(node.value) in {"datetime", "date", "dt"}
            ):
                yield f"{module.name}:{node.lineno} reads the clock"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ACTS:
                yield f"{module.name}:{node.lineno} calls {node.func.id}"


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _readers_of_the_environment(root: Path) -> set[str]:
    return {
        module.name
        for module in _modules(root)
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "putenv"})
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {"environ", "getenv"} & {a.name for a in node.names}
        )
    }


def _outside(root: Path, names: set[str], *, but: set[str] = frozenset()) -> set[tuple[str, str]]:
    return {
        (module.name, target)
        for module in _modules(root)
        for target, _ in module.imports
        if _allowed(target, names) and not _allowed(target, but)
    }


def test_there_is_something_to_check():
    names = {module.name for module in _modules(ROOT)}
    assert {"app", "chalicelib.pipeline", "chalicelib.wiring", "chalicelib.settings"} <= names


def test_every_module_has_a_row_in_the_table_of_arrows():
    assert [
        module.name for module in _modules(ROOT) if module.row in {"", "chalicelib"} and module.name != "chalicelib"
    ] == []


def test_imports_point_one_way():
    assert _wrong_arrows(ROOT) == []


def test_deciding_knows_no_clock_no_dice_and_no_outside():
    assert list(_impurities(ROOT)) == []


def test_only_settings_reads_the_environment():
    assert _readers_of_the_environment(ROOT) <= {"chalicelib.settings"}


def test_only_wiring_knows_the_sdk():
    assert {module for module, _ in _outside(ROOT, SDK, but=SDK_NAMES)} == {"chalicelib.wiring"}


def test_what_ships_imports_nothing_that_does_not():
    assert _outside(ROOT, NOT_SHIPPED) == set()


@pytest.fixture
def tree(tmp_path):
    """A tree to plant breaches in: one module of each kind, none of them at fault."""

    def plant(module: str, source: str) -> Path:
        path = tmp_path / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")
        return tmp_path

    for package in ("", "journey/", "store/", "effects/", "entry/"):
        plant(f"chalicelib/{package}__init__.py", "")
    plant("chalicelib/journey/state.py", "from . import cadence\n")
    plant("chalicelib/journey/cadence.py", "from datetime import UTC, datetime\n")
    return plant


@pytest.mark.parametrize(
    ("module", "source", "breach"),
    [
        ("journey/machine.py", "from chalicelib import store", "chalicelib.journey.machine:1 imports chalicelib.store"),
        ("journey/machine.py", "from ..store import x", "chalicelib.journey.machine:1 imports chalicelib.store"),
        (
            "store/table.py",
            "def f():\n    import chalicelib.effects",
            "chalicelib.store.table:2 imports chalicelib.effects",
        ),
        ("effects/__init__.py", "from .. import entry", "chalicelib.effects:1 imports chalicelib.entry"),
        (
            "entry/pages/answers.py",
            "from chalicelib.effects import mail",
            "chalicelib.entry.pages.answers:1 imports chalicelib.effects",
        ),
        ("store/table.py", "from chalicelib.journey import state, cadence\nfrom . import keys", None),
    ],
)
def test_an_arrow_the_wrong_way_is_found(tree, module, source, breach):
    assert _wrong_arrows(tree(f"chalicelib/{module}", source)) == ([breach] if breach else [])


@pytest.mark.parametrize(
    ("source", "breach"),
    [
        ("import random", "imports random"),
        ("from os import path", "imports os"),
        ("import datetime as dt\ndt.datetime.now(dt.UTC)", "reads the clock"),
        ("from datetime import date\nclock = date.today", "reads the clock"),
        ("open('x')", "calls open"),
        ("import msgspec, zoneinfo\nfrom .state import Stage\nStage.now", None),
    ],
)
def test_an_impurity_is_found(tree, source, breach):
    found = list(_impurities(tree("chalicelib/journey/machine.py", source)))
    assert [line.split(" ", 1)[1] for line in found] == ([breach] if breach else [])


@pytest.mark.parametrize(
    "source", ["import os\nos.environ['A']", "from os import environ", "import os\nos.getenv('A')"]
)
def test_a_reader_of_the_environment_is_found(tree, source):
    assert _readers_of_the_environment(tree("chalicelib/effects/mail.py", source)) == {"chalicelib.effects.mail"}


def test_a_second_user_of_the_sdk_is_found(tree):
    root = tree("chalicelib/store/table.py", "import boto3.session\nfrom botocore.exceptions import ClientError")
    assert _outside(root, SDK, but=SDK_NAMES) == {("chalicelib.store.table", "boto3.session")}
