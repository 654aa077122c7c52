"""What holds for every test: no network but loopback, no AWS account but a made-up one."""

import ipaddress
import os
import socket

import pytest
from hypothesis import settings

# No example is held to a time: a busy machine is no finding. A build tries the same examples each time, so that it is
# red for a change and not for a dice; everybody else's runs go on looking for new ones.
settings.register_profile("build", deadline=None, derandomize=True)
settings.register_profile("here", deadline=None)
settings.load_profile("build" if os.environ.get("CI") else "here")

# Set before any module under test is imported. The caller's account, profile, endpoint and proxy are forgotten.
for _name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
    del os.environ[_name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def _is_loopback(host) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _refuse(host) -> None:
    # pytest.fail raises a BaseException: no `except Exception` of an SDK turns it into a retry.
    pytest.fail(f"A test reached for {host}: tests talk to this machine only.")


@pytest.fixture(scope="session", autouse=True)
def loopback_only():
    """Of the session, so that it also holds while servers of other fixtures start."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded(call):
        def reach(self, address):
            if self.family != socket.AF_UNIX and not _is_loopback(address[0]):
                _refuse(address)
            return call(self, address)

        return reach

    def resolve(host, *args, **kwargs):
        # no host, or an address of any interface: something of ours is about to listen
        if host not in {None, "", b"", "0.0.0.0", "::"} and not _is_loopback(host):  # noqa: S104
            _refuse(host)
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        patch.setattr(socket, "getaddrinfo", resolve)
        yield


@pytest.fixture
def said(capsys, monkeypatch):
    """Run a command of ops as a shell does; returns its exit status and what it said on standard error."""
    import boto3  # noqa: PLC0415 - not before the account above is made up

    from infra.__main__ import main  # noqa: PLC0415

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    def command(*words):
        try:
            status = main(list(words))
        except SystemExit as end:
            status = end.code
        return status, capsys.readouterr().err

    return command
