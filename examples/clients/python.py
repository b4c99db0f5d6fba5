"""psycopg 3: a device signs up with its key, writes a note, logs in again, and
becomes an account.  The cryptography package creates the key and the signatures.
"""
import base64
import json
import secrets

import psycopg
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from psycopg.rows import namedtuple_row

db = psycopg.connect(autocommit=True, row_factory=namedtuple_row)  # PGHOST, PGUSER, PGDATABASE

# The device keeps its key pair.  Only the sign-up request contains the public key.
key = ec.generate_private_key(ec.SECP256R1())
kid = secrets.token_hex(16)


def encode(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def request(action, with_key=False):
    challenge = db.execute("SELECT token FROM anon_auth.create_challenge()").fetchone().token
    header = {"alg": "ES256", "typ": "vnd.authgear.anonymous-request", "kid": kid}
    if with_key:
        point = key.public_key().public_numbers()
        header["jwk"] = {"kty": "EC", "crv": "P-256", "kid": kid,
                         "x": encode(point.x.to_bytes(32, "big")),
                         "y": encode(point.y.to_bytes(32, "big"))}
    signed = f"{encode(header)}.{encode({'challenge': challenge, 'action': action})}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def run_as(user, sql, parameters=()):
    """Run a statement as the user of an access token, in one transaction."""
    with db.transaction():
        db.execute("SELECT anon_auth.use_access_token(%s)", [user.access_token])
        cursor = db.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


AUTHENTICATE = "SELECT * FROM anon_auth.authenticate_anonymously('app', jwt => %s)"

guest = db.execute(AUTHENTICATE, [request("auth", with_key=True)]).fetchone()
print("signed up: a guest")

run_as(guest, "INSERT INTO notes (body) VALUES (%s)", ["Buy milk"])
print("wrote a note")

again = db.execute(AUTHENTICATE, [request("auth")]).fetchone()
assert again.sub == guest.sub
assert len(run_as(again, "SELECT body FROM notes")) == 1
print("came back: the same guest, 1 note")

user = db.execute(
    "SELECT * FROM anon_auth.promote_anonymous_user('app', email => %s, password => %s, jwt => %s)",
    [f"{kid}@example.com", "correct horse", request("promote")]).fetchone()
assert user.sub == guest.sub
assert len(run_as(user, "SELECT body FROM notes")) == 1
print("promoted: the same user, 1 note")
