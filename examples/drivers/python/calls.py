"""The statements of the servers in Python, and the answers to their results."""
import json

# calls: each statement takes its parameters by name.
STATEMENTS = {
    "POST /guests": "SELECT * FROM anon_auth.authenticate_anonymously('app')",
    "POST /challenge": "SELECT token FROM anon_auth.create_challenge()",
    "POST /device": "SELECT * FROM anon_auth.authenticate_anonymously('app', jwt => %(jwt)s)",
    "POST /login": "SELECT * FROM anon_auth.authenticate('app', %(login_id)s, %(password)s)",
    "POST /refresh": "SELECT * FROM anon_auth.refresh_session('app', %(refresh_token)s)",
    "POST /promote": """SELECT * FROM anon_auth.promote_anonymous_user('app', email => %(email)s,
        password => %(password)s, refresh_token => %(refresh_token)s)""",
    "GET /notes": "SELECT user_id, body FROM notes",
    "POST /notes": "INSERT INTO notes (body) VALUES (%(body)s) RETURNING user_id, body",
}
# end


def parameters(data):
    """The parameters in the body of a request. psycopg refuses a NUL, and then there is no SQLSTATE."""
    given = json.loads(data or "{}")
    if any("\0" in value for value in given.values() if isinstance(value, str)):
        raise ValueError("NUL in a parameter")
    return given


def answer(route, rows):
    """The status and body for the rows of a statement, which are dictionaries."""
    if route == "GET /notes":
        return 200, rows
    if not rows:
        return 401, {"error": "wrong credentials"}
    return 200, rows[0]


# errors: the status and body for a database error.
STATUSES = {
    "22023": 400, "AA016": 400,  # an argument is missing or malformed
    "22P02": 400, "22021": 400,  # a value is no uuid, for example; text is not valid UTF-8
    "23503": 401,  # the user of the token was deleted or merged
    "AA003": 401, "AA004": 401, "AA005": 401, "AA006": 401, "AA012": 401, "AA013": 401, "AA014": 401, "AA026": 401, "AA027": 401, "AA028": 401, "AA029": 401, "AA031": 401,
    "AA022": 401,  # the user must log in again first
    "42501": 403,  # a row without a user, among others
    "AA007": 403, "AA015": 403, "AA024": 403,  # the user is disabled; sign-up is closed; the user is a guest
    "AA008": 409, "AA009": 409,  # the user is not a guest; the login ID is taken
    "AA023": 409, "AA030": 409,  # the last credential; sign up, or log in instead
    "AA010": 422, "AA011": 422, "AA032": 422,  # the login ID, password or profile is not allowed
    "AA018": 429, "AA019": 429,
    "40001": 503, "57014": 503,  # after three attempts; statement_timeout
    "AA025": 503,  # the worker has not fetched the provider's key yet
}


def error_answer(error):
    sqlstate = error.diag.sqlstate
    status = STATUSES.get(sqlstate, 500)
    if status == 500:
        print(sqlstate, flush=True)  # the message can contain a password
    detail = {}
    if sqlstate in ("AA009", "AA010", "AA011", "AA018", "AA019", "AA022", "AA027", "AA029", "AA030", "AA032"):
        detail = json.loads(error.diag.message_detail)
    return status, {"error": sqlstate, **detail}
# end
