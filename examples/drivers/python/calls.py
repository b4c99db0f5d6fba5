"""The statements of the servers in Python, and the answers to their results."""
import json

# calls: each statement takes its parameters by name.
STATEMENTS = {
    "POST /guests": "SELECT * FROM anon_auth.authenticate_anonymously('app')",
    "POST /login": "SELECT * FROM anon_auth.authenticate('app', %(login_id)s, %(password)s)",
    "POST /refresh": "SELECT * FROM anon_auth.refresh_session('app', %(refresh_token)s)",
    "POST /promote": """SELECT * FROM anon_auth.promote_anonymous_user('app', email => %(email)s,
        password => %(password)s, refresh_token => %(refresh_token)s)""",
    "GET /notes": "SELECT user_id, body FROM notes",
    "POST /notes": "INSERT INTO notes (body) VALUES (%(body)s) RETURNING user_id, body",
}
# end


def answer(route, rows):
    """The status and body for the rows of a statement, which are dictionaries."""
    if route == "GET /notes":
        return 200, rows
    if not rows:
        return 401, {"error": "wrong credentials"}
    return 200, rows[0]


# errors: the status and body for a database error.
STATUSES = {
    "42501": 403,  # a row without a user, among others
    "57014": 503,  # statement_timeout
    "AA006": 401, "AA009": 409, "AA010": 422, "AA011": 422, "AA014": 401, "AA018": 429, "AA019": 429,
}


def error_answer(error):
    sqlstate = error.diag.sqlstate
    status = STATUSES.get(sqlstate, 500)
    if status == 500:
        print(sqlstate, flush=True)  # the message can contain a password
    detail = {}
    if sqlstate in ("AA009", "AA010", "AA011", "AA018", "AA019"):
        detail = json.loads(error.diag.message_detail)
    return status, {"error": sqlstate, **detail}
# end
