"""psycopg 3: an HTTP server with a pool. Each request is one transaction."""
import os

import psycopg
from psycopg.errors import SerializationFailure
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from web import serve

# PGHOST, PGDATABASE and PGUSER name the database.
pool = ConnectionPool(
    min_size=1, max_size=int(os.environ.get("POOL_SIZE", 10)), open=True,
    kwargs={"row_factory": dict_row, "prepare_threshold": None})  # None: for PgBouncer


# transaction: runs a statement for one user.
def run(address, token, sql, parameters, attempts=3):
    try:
        with pool.connection() as db:  # commits, also after a failed login; rolls back after an exception
            db.execute("SELECT anon_auth.use_client_address(%s)", [address])
            if token:
                db.execute("SELECT anon_auth.use_access_token(%s)", [token])
            return db.execute(sql, parameters).fetchall()
    except SerializationFailure:  # 40001
        if attempts == 1:
            raise
    return run(address, token, sql, parameters, attempts - 1)
# end


serve(run, psycopg.Error)
