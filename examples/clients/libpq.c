/*
 * libpq: a device signs up with its key, writes a note, logs in again, and becomes
 * an account.  libsodium creates the Ed25519 key and the signatures.
 *
 *   cc libpq.c -o libpq $(pkg-config --cflags --libs libpq libsodium)
 */
#include <libpq-fe.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGconn *db;
static unsigned char public_key[crypto_sign_PUBLICKEYBYTES];
static unsigned char secret_key[crypto_sign_SECRETKEYBYTES];
static char kid[33];

typedef struct
{
	char		sub[64];
	char		access_token[4096];
} Session;

static void
check(int condition, const char *message)
{
	if (!condition)
	{
		fprintf(stderr, "failed: %s\n%s", message, PQerrorMessage(db));
		exit(1);
	}
}

/* Runs a statement.  parameters is a NULL-terminated list of strings, or NULL. */
static PGresult *
run(const char *sql, const char *const *parameters)
{
	PGresult   *result;
	int			count = 0;

	while (parameters != NULL && parameters[count] != NULL)
		count++;
	result = PQexecParams(db, sql, count, NULL, parameters, NULL, NULL, 0);
	check(PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK, sql);
	return result;
}

static char *
encode(char *text, size_t size, const void *data, size_t length)
{
	return sodium_bin2base64(text, size, data, length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* Signs a new challenge.  Only the sign-up request contains the public key. */
static void
make_request(char *request, size_t size, const char *action, int with_key)
{
	PGresult   *result = run("SELECT token FROM anon_auth.create_challenge()", NULL);
	unsigned char signature[crypto_sign_BYTES];
	char		x[64];
	char		header[512];
	char		payload[512];
	char		parts[3][1024];

	encode(x, sizeof(x), public_key, sizeof(public_key));
	if (with_key)
		snprintf(header, sizeof(header), "{\"alg\":\"EdDSA\",\"typ\":\"vnd.authgear.anonymous-request\",\"kid\":\"%s\","
				 "\"jwk\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%s\",\"x\":\"%s\"}}", kid, kid, x);
	else
		snprintf(header, sizeof(header), "{\"alg\":\"EdDSA\",\"typ\":\"vnd.authgear.anonymous-request\",\"kid\":\"%s\"}", kid);
	snprintf(payload, sizeof(payload), "{\"challenge\":\"%s\",\"action\":\"%s\"}", PQgetvalue(result, 0, 0), action);
	PQclear(result);

	snprintf(request, size, "%s.%s", encode(parts[0], sizeof(parts[0]), header, strlen(header)),
			 encode(parts[1], sizeof(parts[1]), payload, strlen(payload)));
	crypto_sign_detached(signature, NULL, (unsigned char *) request, strlen(request), secret_key);
	snprintf(request + strlen(request), size - strlen(request), ".%s",
			 encode(parts[2], sizeof(parts[2]), signature, sizeof(signature)));
}

static void
start(Session *session, const char *sql, const char *const *parameters)
{
	PGresult   *result = run(sql, parameters);

	check(PQntuples(result) == 1, sql);
	snprintf(session->sub, sizeof(session->sub), "%s", PQgetvalue(result, 0, 0));
	snprintf(session->access_token, sizeof(session->access_token), "%s", PQgetvalue(result, 0, 1));
	PQclear(result);
}

/* Runs a statement as the user of a session.  Returns the number of rows. */
static int
run_as(const Session *session, const char *sql)
{
	PGresult   *result;
	int			rows;

	PQclear(run("BEGIN", NULL));
	PQclear(run("SELECT anon_auth.use_access_token($1)", (const char *[]) {session->access_token, NULL}));
	result = run(sql, NULL);
	rows = PQntuples(result);
	PQclear(result);
	PQclear(run("COMMIT", NULL));
	return rows;
}

int
main(void)
{
	static const char authenticate[] = "SELECT sub, access_token FROM anon_auth.authenticate_anonymously('app', jwt => $1)";
	unsigned char random[16];
	char		request[3072];
	char		email[64];
	Session		guest;
	Session		again;
	Session		user;

	check(sodium_init() >= 0, "libsodium");
	db = PQconnectdb("");		/* PGHOST, PGUSER, PGDATABASE */
	check(PQstatus(db) == CONNECTION_OK, "connected");
	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(kid, sizeof(kid), random, sizeof(random));
	crypto_sign_keypair(public_key, secret_key);

	make_request(request, sizeof(request), "auth", 1);
	start(&guest, authenticate, (const char *[]) {request, NULL});
	puts("signed up: a guest");

	run_as(&guest, "INSERT INTO notes (body) VALUES ('Buy milk')");
	puts("wrote a note");

	make_request(request, sizeof(request), "auth", 0);
	start(&again, authenticate, (const char *[]) {request, NULL});
	check(strcmp(again.sub, guest.sub) == 0 && run_as(&again, "SELECT body FROM notes") == 1, "the same guest");
	puts("came back: the same guest, 1 note");

	make_request(request, sizeof(request), "promote", 0);
	snprintf(email, sizeof(email), "%s@example.com", kid);
	start(&user, "SELECT sub, access_token FROM anon_auth.promote_anonymous_user('app', email => $1, password => $2, jwt => $3)",
		  (const char *[]) {email, "correct horse", request, NULL});
	check(strcmp(user.sub, guest.sub) == 0 && run_as(&user, "SELECT body FROM notes") == 1, "the same user");
	puts("promoted: the same user, 1 note");

	PQfinish(db);
	return 0;
}
