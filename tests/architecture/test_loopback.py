"""The fence around all tests: nothing leaves this machine."""

import os
import socket

import boto3
import pytest

STRAY = pytest.fail.Exception


@pytest.mark.parametrize("host", ["example.com", b"example.com", "192.0.2.1", "2001:db8::1", "localhost.example.com"])
def test_no_other_machine_is_looked_up(host):
    with pytest.raises(STRAY, match="this machine only"):
        socket.getaddrinfo(host, 443)


@pytest.mark.parametrize("call", ["connect", "connect_ex"])
def test_no_other_machine_is_connected_to(call):
    with socket.socket() as plug, pytest.raises(STRAY, match="this machine only"):
        getattr(plug, call)(("192.0.2.1", 443))


def test_an_sdk_that_was_not_emulated_fails_at_once_and_never_retries():
    with pytest.raises(STRAY, match=r"amazonaws\.com"):
        boto3.client("sqs").list_queues()


def test_this_machine_is_reached():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as plug:
        assert plug.getpeername() == server.getsockname()


def test_the_account_is_made_up():
    assert boto3.Session().get_credentials().access_key == "testing"
    assert [name for name in os.environ if name.lower().endswith("_proxy")] == []
