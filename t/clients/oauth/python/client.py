"""Authlib, with requests."""

import base64
import json
import os
import time
import urllib.parse
import urllib.request

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

ORIGIN = os.environ["ORIGIN"]
DRIVER = os.environ["DRIVER"]
REDIRECT_URI = f"{DRIVER}/callback"
ALICE = "alice@example.com"
BOB = "bob@example.com"
PASSWORD = "correct horse"

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


def tell(**result):
    print(json.dumps(result), flush=True)


def ok(name, condition, why=None):
    tell(name=f"Authlib: {name}", ok=bool(condition), why=str(why))


def equal(name, actual, expected):
    ok(name, actual == expected, f"got {actual!r}, expected {expected!r}")


def ask(path, body):
    request = urllib.request.Request(DRIVER + path, data=body.encode(), method="POST")
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


def sql(text):
    return ask("/sql", text)


def sessions(sid):
    return sql(f"SELECT count(*) FROM anon_auth.sessions WHERE id = '{sid}'")


def visit(url, login_id=ALICE):
    """The person opens the URL and logs in. Returns the redirect to the client, or ''."""
    return json.loads(ask("/log-in", json.dumps({"url": url, "login_id": login_id, "password": PASSWORD})))["location"]


def query(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


METADATA = requests.get(f"{ORIGIN}/.well-known/openid-configuration", timeout=30).json()


class Login:
    """One authorization request, and the session that follows it."""

    def __init__(self, login_id=ALICE, scope="openid offline_access", **parameters):
        self.session = OAuth2Session(
            "rp",
            scope=scope,
            redirect_uri=REDIRECT_URI,
            token_endpoint_auth_method="none",
            revocation_endpoint_auth_method="none",
            code_challenge_method="S256",
            token_endpoint=METADATA["token_endpoint"],
        )
        self.verifier = generate_token(48)
        self.nonce = generate_token()
        self.url, self.state = self.session.create_authorization_url(
            METADATA["authorization_endpoint"], code_verifier=self.verifier, nonce=self.nonce, **parameters
        )
        self.max_age = parameters.get("max_age")
        self.callback = visit(self.url, login_id)

    def exchange(self):
        return self.session.fetch_token(
            METADATA["token_endpoint"],
            authorization_response=self.callback,
            code_verifier=self.verifier,
            state=self.state,
        )

    def claims(self, keys=None):
        """The claims of the ID token, verified."""
        keys = keys or fetch_keys()
        token = self.session.token
        decoded = jwt.decode(token["id_token"], keys, algorithms=METADATA["id_token_signing_alg_values_supported"])
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            {"iss": {"value": METADATA["issuer"]}, "aud": {"value": "rp"}},
            {"nonce": self.nonce, "client_id": "rp", "max_age": self.max_age, "access_token": token["access_token"]},
        )
        claims.validate(leeway=5)
        return claims


def fetch_keys():
    return KeySet.import_key_set(requests.get(METADATA["jwks_uri"], timeout=30).json())


def error_of(call):
    try:
        return f"no error, but {call()!r}"
    except OAuthError as error:
        return error.error


def part(token, index):
    text = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def kid(token):
    return part(token, 0)["kid"]


def payload(token):
    return part(token, 1)


def login():
    person = Login(max_age=3600)
    equal("the authorization response names the issuer (RFC 9207)", query(person.callback).get("iss"), ORIGIN)
    person.exchange()
    claims = person.claims()
    ok("at_hash is in the ID token", "at_hash" in claims, claims)
    ok("auth_time is in the ID token", time.time() - claims["auth_time"] < 60, claims)
    claims.validate_at_hash()
    equal("userinfo names the user", person.session.get(METADATA["userinfo_endpoint"]).json()["email"], ALICE)


def refresh():
    person = Login()
    token = person.exchange()
    claims = person.claims()
    person.session.refresh_token(METADATA["token_endpoint"])
    person.nonce = None
    equal("the ID token of a refresh has the same subject", person.claims()["sub"], claims["sub"])
    response = person.session.revoke_token(
        METADATA["revocation_endpoint"], token=token["refresh_token"], token_type_hint="refresh_token"
    )
    equal("a revocation succeeds", response.status_code, 200)
    equal(
        "a revoked refresh token is invalid_grant",
        error_of(lambda: person.session.refresh_token(METADATA["token_endpoint"], token["refresh_token"])),
        "invalid_grant",
    )


def reuse():
    person = Login()
    person.exchange()
    sid = person.claims()["sid"]
    equal("a used code is invalid_grant", error_of(person.exchange), "invalid_grant")
    equal("the reuse of a code ends the session that it gave", sessions(sid), "0")


def end_session():
    person = Login()
    token = person.exchange()
    parameters = {"id_token_hint": token["id_token"], "post_logout_redirect_uri": f"{DRIVER}/logged-out"}
    equal(
        "end_session returns to the client",
        visit(f"{METADATA['end_session_endpoint']}?{urllib.parse.urlencode(parameters)}"),
        f"{DRIVER}/logged-out",
    )
    equal("end_session with an id_token_hint ends the session", sessions(person.claims()["sid"]), "0")


def reauthentication():
    token = Login().exchange()
    hint = token["id_token"]
    other = Login(login_id=BOB, scope="openid", id_token_hint=hint, max_age=0)
    equal("another user cannot log in where id_token_hint names the user", other.callback, "")
    again = Login(scope="openid", id_token_hint=hint, max_age=0)
    fresh = again.exchange()
    equal("reauthentication keeps the session", payload(fresh["access_token"])["sid"], payload(hint)["sid"])
    ok("reauthentication returns no second refresh token", "refresh_token" not in fresh)


def errors():
    # fetch_token() does not look at an error of the authorization endpoint.
    callback = Login(prompt="none").callback
    equal("prompt=none is login_required", query(callback).get("error"), "login_required")
    equal("an authorization error names the issuer (RFC 9207)", query(callback).get("iss"), ORIGIN)
    nobody = OAuth2Session("nobody", token_endpoint_auth_method="none")
    equal(
        "an unknown client is invalid_client",
        error_of(lambda: nobody.refresh_token(METADATA["token_endpoint"], "x")),
        "invalid_client",
    )
    secret = OAuth2Session("rp", "secret", token_endpoint_auth_method="client_secret_basic")
    equal(
        "a secret in Basic is invalid_client",
        error_of(lambda: secret.refresh_token(METADATA["token_endpoint"], "x")),
        "invalid_client",
    )
    response = requests.get(METADATA["userinfo_endpoint"], headers={"Authorization": "Bearer nonsense"}, timeout=30)
    ok(
        "userinfo refuses a token that does not verify with invalid_token",
        response.status_code == 401 and 'error="invalid_token"' in response.headers["WWW-Authenticate"],
        response.headers,
    )


def new_key():
    key = ask("/publish-key", "")
    keys = fetch_keys()
    person = Login()
    token = person.exchange()
    ok("a published key does not sign yet", kid(token["id_token"]) != key)
    ask("/use-key", "")
    person = Login()
    equal("the new key signs", kid(person.exchange()["id_token"]), key)
    ok("a token of the new key verifies with keys fetched before it signed", person.claims(keys)["sub"])


for subject in (login, refresh, reuse, end_session, reauthentication, errors, new_key):
    try:
        subject()
    except Exception as problem:  # pylint: disable=broad-except
        ok(subject.__name__, False, repr(problem))
tell(done=True)
