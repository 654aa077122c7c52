"""A fresh install is the same install, and what ships is whole and small."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def _pins(file: str) -> dict[str, str]:
    """The pinned releases of one file; anything else than a pin, a comment or the other file's name fails."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / file).read_text("utf-8").splitlines())
    pins = [re.fullmatch(r"([a-z0-9-]+)==([^\s=]+)", line) or line for line in lines if line and line[:3] != "-r "]
    assert [line for line in pins if isinstance(line, str)] == []
    return {pin[1]: pin[2] for pin in pins}


def _asks_for(name: str) -> set[str]:
    wanted = map(Requirement, metadata.requires(name) or [])
    return {canonicalize_name(one.name) for one in wanted if not one.marker or one.marker.evaluate({"extra": ""})}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_what_is_installed_is_what_is_pinned(file):
    pins = _pins(file)
    assert {name: metadata.version(name) for name in pins} == pins


def test_nothing_is_pinned_twice():
    assert _pins("requirements.txt").keys() & _pins("requirements-dev.txt").keys() == set()


def test_what_ships_is_whole():
    pins = _pins("requirements.txt").keys()
    assert [(name, missing) for name in pins for missing in _asks_for(name) - pins] == []


def test_what_the_lambda_runtime_or_chalice_brings_is_not_shipped():
    assert _pins("requirements.txt").keys() & {"boto3", "botocore", "s3transfer", "chalice"} == set()
