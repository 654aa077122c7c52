"""What holds for every fault test."""

import logging

import pytest


@pytest.fixture(autouse=True)
def quiet():
    """Log nothing: pytest keeps every record with its traceback, and so every world of a sweep."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
