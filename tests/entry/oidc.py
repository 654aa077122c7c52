"""A little OpenID provider on this machine, honest unless told otherwise: real keys, real HTTP."""

import hmac
import json
import threading
from base64 import b64decode, urlsafe_b64encode
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT, SECRET = "aftercare", "s3cret/+"
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})


class Provider(ThreadingHTTPServer):
    """Answers discovery, keys and tokens. What it says can be changed by whoever attacks."""

    daemon_threads = True

    def __init__(self, now):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_address[1]}"
        self.now = now
        self.codes = {}
        self.asked = []
        #: Changes to the claims of the next token, and how it is signed.
        self.claims = {}
        self.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "rsa"}, claims, RSA)
        self.discovery = {}
        self.keys = [RSA, EC]

    def server_bind(self):
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

    def handle_error(self, request, client_address):
        """Whoever went away is no news."""

    def authorise(self, address):
        """What the provider does with a browser that signs in there: gives it a code. Returns the answer's query."""
        asked = {name: values[-1] for name, values in parse_qs(urlsplit(address).query).items()}
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def token(self, form, headers):
        asked = self.codes.pop(form["code"])
        assert b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == f"{CLIENT}:s3cret%2F%2B"
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        assert challenge == asked["code_challenge"]
        assert form["redirect_uri"] == asked["redirect_uri"]
        at = int(self.now().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "sub-1",
            "name": "Kim Lee",
            "groups": ["everyone", "cx-leads"],
            "nonce": asked["nonce"],
            "iat": at,
            "exp": at + 300,
        } | self.claims
        return {"id_token": self.sign({name: value for name, value in claims.items() if value is not None})}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path, server = urlsplit(self.path).path, self.server
        server.asked.append(path)
        if path == "/.well-known/openid-configuration":
            told = {"issuer": server.issuer, "authorization_endpoint": f"{server.issuer}/authorize"}
            told |= {"token_endpoint": f"{server.issuer}/token", "jwks_uri": f"{server.issuer}/keys"}
            self._send(told | server.discovery)
        else:
            self._send({"keys": [key.as_dict(private=False) for key in server.keys]})

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._send(self.server.token({name: values[-1] for name, values in form.items()}, self.headers))

    def _send(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


@contextmanager
def provider(now):
    with Provider(now) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def unsigned(claims):
    """A token that says of itself that nobody signed it."""
    parts = ({"alg": "none"}, claims)
    return ".".join([*(_encode(json.dumps(part).encode()) for part in parts), ""])


def _encode(raw):
    return urlsafe_b64encode(raw).decode().rstrip("=")


def keyed_with_the_public_key(claims):
    """A token signed by what everybody knows: HS256 with the public key as its secret."""
    parts = ({"alg": "HS256", "kid": "rsa"}, claims)
    signed = ".".join(_encode(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{_encode(hmac.digest(RSA.as_pem(private=False), signed.encode(), 'sha256'))}"


def by_a_stranger(claims):
    return jwt.encode({"alg": "RS256", "kid": "rsa"}, claims, STRANGER)


def by_another_algorithm(claims):
    return jwt.encode({"alg": "PS256", "kid": "rsa"}, claims, RSA, algorithms=["PS256"])


def by_an_elliptic_curve(claims):
    return jwt.encode({"alg": "ES256", "kid": "ec"}, claims, EC)


def with_its_own_key(claims):
    """A token that brings the key to check it with."""
    header = {"alg": "RS256", "jwk": STRANGER.as_dict(private=False)}
    return jwt.encode(header, claims, STRANGER)
