"""psycopg2: an HTTP server with a pool. Each request is one transaction."""
import os
from threading import BoundedSemaphore

import psycopg2
from psycopg2.errors import SerializationFailure
from psycopg2.extras import RealDictCursor
from psycopg2.pool import ThreadedConnectionPool

from web import serve

# PGHOST, PGDATABASE and PGUSER name the database.
size = int(os.environ.get("POOL_SIZE", 10))
pool = ThreadedConnectionPool(1, size, "", cursor_factory=RealDictCursor)
free = BoundedSemaphore(size)  # getconn() raises an exception instead of waiting


# transaction: runs a statement for one user.
def run(address, token, sql, parameters, attempts=3):
    try:
        with free:
            connection = pool.getconn()
            try:
                with connection, connection.cursor() as db:  # commits, or rolls back after an exception
                    db.execute("SELECT anon_auth.use_client_address(%s)", [address])
                    if token:
                        db.execute("SELECT anon_auth.use_access_token(%s)", [token])
                    db.execute(sql, parameters)
                    return db.fetchall()
            finally:
                pool.putconn(connection)
    except SerializationFailure:  # 40001
        if attempts == 1:
            raise
    return run(address, token, sql, parameters, attempts - 1)
# end


serve(run, psycopg2.Error)
