"""Django: views behind the development server. Each request is one transaction."""
import json
import os
import sys
from contextlib import contextmanager

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import DatabaseError, connection, models, transaction
from django.http import JsonResponse
from django.urls import path

from calls import STATEMENTS, answer, error_answer, parameters

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    # database
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("PGHOST"),
        "PORT": os.environ.get("PGPORT"),
        "NAME": os.environ.get("PGDATABASE"),
        "USER": os.environ.get("PGUSER"),
        "OPTIONS": {
            # False, the default, puts the values into the statement.
            "server_side_binding": os.environ.get("SERVER_SIDE_BINDING", "yes") == "yes",
            "pool": {"min_size": 1, "max_size": int(os.environ.get("POOL_SIZE", 10))},
        },
        "DISABLE_SERVER_SIDE_CURSORS": True,  # for PgBouncer
    }},
    # end
)
django.setup()


class Note(models.Model):
    user_id = models.UUIDField(primary_key=True)  # Django needs one; the table has none
    body = models.TextField()

    class Meta:
        app_label = "notes"
        db_table = "notes"
        managed = False


# transaction: all statements in it, also those of models, run for the user of the request.
@contextmanager
def user_transaction(request):
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    with transaction.atomic(), connection.cursor() as cursor:
        # Behind a proxy, use the address that the proxy states.
        cursor.execute("SELECT anon_auth.use_client_address(%s)", [request.META["REMOTE_ADDR"]])
        if token:
            cursor.execute("SELECT anon_auth.use_access_token(%s)", [token])
        yield cursor


def list_notes(request):
    with user_transaction(request):
        return list(Note.objects.values("user_id", "body"))


def call(request):
    with user_transaction(request) as cursor:
        cursor.execute(STATEMENTS[f"{request.method} {request.path}"], parameters(request.body))
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]


def view(request, attempts=3):
    route = f"{request.method} {request.path}"
    try:
        status, body = answer(route, list_notes(request) if route == "GET /notes" else call(request))
    except DatabaseError as error:  # outside the transaction
        if error.__cause__.diag.sqlstate == "40001" and attempts > 1:
            return view(request, attempts - 1)
        status, body = error_answer(error.__cause__)
    except (ValueError, KeyError):  # no JSON, or a parameter is missing
        status, body = 400, {"error": "invalid request"}
    response = JsonResponse(body, status=status, safe=False, headers={"Cache-Control": "no-store"})
    if "retry_after" in body:
        response["Retry-After"] = body["retry_after"]
    return response
# end


urlpatterns = [path(name, view) for name in ("guests", "challenge", "device", "login", "refresh", "promote", "notes")]

if __name__ == "__main__":
    execute_from_command_line([sys.argv[0], "runserver", "--noreload", os.environ.get("PORT", "8000")])
