/*-------------------------------------------------------------------------
 *
 * authorization.c
 *	  Authorization requests and authorization codes with PKCE (RFC 6749, section
 *	  4.1; RFC 7636).
 *
 * A request is not stored while a user fills in a form: it travels in the page's
 * address as JSON with a MAC.  No other browser can use it, because it holds a hash
 * of a secret that this browser keeps in a cookie.
 *
 * A code holds the user's id and a secret; its row has a hash of both.  The exchange
 * marks the row as used, so that of several exchanges one succeeds.  The user is
 * locked before its code, in the lock order of the store.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/limits.h"
#include "base/raise.h"
#include "base/unix_time.h"
#include "base/uuid.h"
#include "base/wipe.h"
#include "counters/counters.h"
#include "counters/transaction_counters.h"
#include "domain/authenticated_json.h"
#include "domain/authorization.h"
#include "domain/claims.h"
#include "domain/client.h"
#include "domain/discovery.h"
#include "domain/lifetimes.h"
#include "domain/session.h"
#include "jose/base64url.h"
#include "jose/jose_status.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "keyring/master_key.h"
#include "keyring/sealing.h"
#include "store/authorization_codes.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"
#include "token/token.h"

/* ---- authorization codes ---- */

/* A code is the base64url form of its user's id, by which its row is found, and a secret. */
#define CODE_SECRET_LENGTH		32
#define CODE_LENGTH				(UUID_LEN + CODE_SECRET_LENGTH)

/* A code challenge is the base64url form of a SHA-256. */
#define CODE_CHALLENGE_LENGTH	BASE64URL_ENCODED_LENGTH(crypto_hash_sha256_BYTES)

/* RFC 3986, section 2.3. */
#define UNRESERVED \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

static bool
consists_of(const char *text, const char *characters, size_t min, size_t max)
{
	size_t		length = strlen(text);

	return length >= min && length <= max && strspn(text, characters) == length;
}

void
authorization_check_pkce(const char *code_challenge, const char *code_challenge_method)
{
	if (strcmp(code_challenge_method, "S256") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("only 'S256' PKCE transform is supported")));
	if (!consists_of(code_challenge, UNRESERVED, CODE_CHALLENGE_LENGTH, CODE_CHALLENGE_LENGTH) ||
		strpbrk(code_challenge, ".~") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid PKCE code challenge"),
				 errdetail("The code challenge must be the base64url form of a SHA-256.")));
}

bool
authorization_request_set_hint(AuthorizationRequest *request, const Client *client,
							   const IdTokenHint *hint)
{
	User		user;

	if (!users_find(&hint->sub, &user) || user.is_anonymous || user.is_disabled)
		return false;
	request->has_hint = true;
	request->hint_user_id = hint->sub;
	if (strcmp(hint->client.client_id, client->client_id) == 0)
		request->hint_session_id = hint->sid;
	return true;
}

const pg_uuid_t *
authorization_request_user(const AuthorizationRequest *request)
{
	return request->has_hint ? &request->hint_user_id : NULL;
}

bool
authorization_request_allows(const AuthorizationRequest *request, const User *user)
{
	return !request->has_hint || uuid_equals(&request->hint_user_id, &user->id);
}

char *
authorization_code_create(const Client *client, const User *user, const StringList *amr,
						  const AuthorizationRequest *request, TimestampTz now,
						  TimestampTz *expires_at)
{
	AuthorizationCode code = {0};
	uint8		bytes[CODE_LENGTH];
	uint8		hash[crypto_hash_sha256_BYTES];
	char	   *text = palloc0(BASE64URL_ENCODED_LENGTH(CODE_LENGTH) + 1);

	if (!authorization_request_allows(request, user))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the user is not that of the id_token_hint")));
	memcpy(bytes, user->id.data, UUID_LEN);
	randombytes_buf(bytes + UUID_LEN, CODE_SECRET_LENGTH);
	base64url_encode(text, bytes, sizeof(bytes));
	wipe_bytes(bytes, sizeof(bytes));
	crypto_hash_sha256(hash, (uint8 *) text, strlen(text));

	*expires_at = now + SHORT_LIFETIME;
	code.user_id = user->id;
	code.client_id = client->client_id;
	code.redirect_uri = request->redirect_uri;
	code.code_challenge = request->code_challenge;
	code.nonce = request->nonce;
	code.offline_access = request->offline_access;
	code.hint_session_id = request->hint_session_id;
	code.source_session_id = request->source_session_id;
	code.device_info = request->device_info;
	code.dpop_jkt = unconstify(char *, request->dpop_jkt);
	code.authenticated_at = request->authenticated_at != 0 ? request->authenticated_at : now;
	code.amr = *amr;
	code.expires_at = *expires_at;
	authorization_codes_insert(hash, &code);
	return text;
}

/* Return the user's id from a code.  Raises AA012 if the text is no code. */
static pg_uuid_t
user_id_of_code(const char *text)
{
	uint8		bytes[CODE_LENGTH];
	size_t		length = sizeof(bytes);
	pg_uuid_t	user_id;

	if (strlen(text) != BASE64URL_ENCODED_LENGTH(CODE_LENGTH) ||
		base64url_decode(bytes, &length, text, strlen(text)) != JOSE_OK)
		raise_invalid_authorization_code();
	memcpy(user_id.data, bytes, UUID_LEN);
	wipe_bytes(bytes, sizeof(bytes));
	return user_id;
}

void
authorization_check_verifier(const char *verifier)
{
	if (!consists_of(verifier, UNRESERVED, CODE_VERIFIER_MIN_LENGTH, CODE_VERIFIER_MAX_LENGTH))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid PKCE code verifier"),
				 errdetail("The code verifier must consist of 43 to 128 letters, digits and -._~ characters.")));
}

bool
authorization_verifier_matches(const char *verifier, const char *code_challenge)
{
	uint8		hash[crypto_hash_sha256_BYTES];
	char		encoded[CODE_CHALLENGE_LENGTH];

	crypto_hash_sha256(hash, (const uint8 *) verifier, strlen(verifier));
	base64url_encode(encoded, hash, sizeof(hash));
	return strlen(code_challenge) == sizeof(encoded) &&
		sodium_memcmp(encoded, code_challenge, sizeof(encoded)) == 0;
}

/*
 * Find the code of a valid exchange, used or not, and set its hash.  Only the client
 * that knows the verifier gets so far: somebody who saw a used code in a log cannot end
 * its session.
 */
static void
find_code(const Client *client, const char *text, const char *redirect_uri,
		  const char *code_verifier, TimestampTz now, uint8 hash[crypto_hash_sha256_BYTES],
		  AuthorizationCode *code)
{
	pg_uuid_t	user_id;

	client_require_first_party(client);
	authorization_check_verifier(code_verifier);
	user_id = user_id_of_code(text);
	crypto_hash_sha256(hash, (const uint8 *) text, strlen(text));
	if (!authorization_codes_find(&user_id, hash, code) || code->expires_at <= now ||
		strcmp(code->client_id, client->client_id) != 0 ||
		!authorization_verifier_matches(code_verifier, code->code_challenge))
		raise_invalid_authorization_code();
	if (strcmp(code->redirect_uri, redirect_uri) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid redirect URI"),
				 errdetail("The code was issued for another redirect URI.")));

	/* An administrator may have removed the URI since, because an attacker controls it. */
	client_require_redirect_uri(client, redirect_uri);
}

/* Return the name of the counter that tells that a code was used. */
static char *
used_counter(const uint8 hash[crypto_hash_sha256_BYTES])
{
	char		text[BASE64URL_ENCODED_LENGTH(crypto_hash_sha256_BYTES) + 1];

	text[base64url_encode(text, hash, crypto_hash_sha256_BYTES)] = '\0';
	return psprintf("authorization_code/used/%s", text);
}

/*
 * Continue the session of the hint, and fill session.  Return false if the code is
 * exchanged for another session.
 */
static bool
continue_session(const Client *client, const AuthorizationCode *code,
				 const DeviceReport *report, TimestampTz now, Session *session)
{
	SessionDevice device;

	dpop_admit(client, report->dpop);
	device_report_complete(report, &device);
	if (client->dpop == DPOP_REQUIRED)
		device.dpop_jkt = report->dpop->jkt;
	return !code->offline_access && !uuid_is_nil(&code->hint_session_id) &&
		sessions_reauthenticate(&code->user_id, &code->hint_session_id, client->client_id,
								code->authenticated_at, &code->amr, &device, now, session);
}

/*
 * Use a code, and issue its tokens.  The code may have been used since it was found.
 *
 * A client may see the tokens of a transaction that rolls back afterwards.  So a counter,
 * which a rollback does not undo, keeps that the code was used, until the row does.
 */
static bool
use_code(const Client *client, const User *user, const uint8 hash[crypto_hash_sha256_BYTES],
		 const AuthorizationCode *code, const DeviceReport *device, TimestampTz now,
		 TokenResponse *response)
{
	char	   *counter = used_counter(hash);
	int64		lifetime = code->expires_at - now;
	SessionGrant grant = {
		.nonce = code->nonce,
		.authenticated_at = code->authenticated_at,
		.amr = &code->amr
	};
	AuthorizationCode used;
	Session		session;
	bool		continues = continue_session(client, code, device, now, &session);

	grant.id = continues ? session.id : session_new_id(now);
	grant.has_refresh_token = code->offline_access || client->refresh_token_without_offline_access;
	if (!authorization_codes_use(&code->user_id, hash, &grant.id, now))
	{
		/* revoke_sessions(), disable_user() and others delete all codes of the user. */
		if (!authorization_codes_find(&code->user_id, hash, &used))
			raise_invalid_authorization_code();
		return false;
	}
	if (counter_get(counter, lifetime, NULL) > 0)
		return false;
	if (continues)
	{
		if (!session_use_key(client, &session, device->dpop))
			raise_invalid_authorization_code();
		claims_issue_tokens(client, user, &session, NULL, code->nonce, now, response);
	}
	else
		session_start_granted(client, user, &grant, device, now, response);
	counter_set(counter, 1, lifetime);
	counter_clear_at_commit(counter);
	return true;
}

/*
 * Whoever ends a session takes away what was made from it, also a code that a thief has kept.
 * A caller that ends it at the same time finds the session of this exchange afterwards.
 */
static void
require_source_session(const AuthorizationCode *code, TimestampTz now)
{
	if (!uuid_is_nil(&code->source_session_id) &&
		!sessions_keep_alive(&code->user_id, &code->source_session_id, now))
		raise_invalid_authorization_code();
}

/* End the session that a code has opened, because the code was copied. */
static void
end_session_of_code(const AuthorizationCode *code, TimestampTz now)
{
	Session		session;
	User		user;

	if (sessions_find(&code->user_id, &code->session_id, now, &session, &user))
		session_end_copied(&session, "authorization_code.reused", now);
}

bool
authorization_code_exchange(const Client *client, const char *text, const char *redirect_uri,
							const char *code_verifier, const DeviceReport *device,
							TimestampTz now, TokenResponse *response)
{
	DeviceReport report = *device;
	uint8		hash[crypto_hash_sha256_BYTES];
	AuthorizationCode code;
	User		user;

	find_code(client, text, redirect_uri, code_verifier, now, hash, &code);
	if (code.dpop_jkt != NULL && !dpop_matches(report.dpop, code.dpop_jkt))
		raise_invalid_authorization_code();

	/* RFC 6749, section 4.1.2: the tokens may have been issued to a thief. */
	if (code.used_at != 0)
	{
		counter_statistic_add(COUNTER_REUSED_AUTHORIZATION_CODES, 1);
		end_session_of_code(&code, now);
		return false;
	}
	if (!users_log_in(&code.user_id, now, &user))
		raise_user_disabled();
	require_source_session(&code, now);

	/*
	 * An exchange that finds the code used only now was sent while the other one ran, by
	 * the same client: a double click.  The tokens of the first one stay valid.
	 */
	if (report.device_info == NULL)
		report.device_info = code.device_info;
	return use_code(client, &user, hash, &code, &report, now, response);
}

/* ---- authorization requests ---- */

/* Room for a hash of the browser's secret as text. */
#define BROWSER_HASH_SIZE	(BASE64URL_ENCODED_LENGTH(crypto_hash_sha256_BYTES) + 1)

/* Write a hash of the browser's secret, which the request may show to everybody. */
static void
hash_browser_secret(const char *browser, char text[BROWSER_HASH_SIZE])
{
	uint8		hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const uint8 *) browser, strlen(browser));
	text[base64url_encode(text, hash, sizeof(hash))] = '\0';
}

/* Add a login hint that only this database can read. */
static void
add_login_hint(StringInfo json, const char *login_hint, const char *browser_hash)
{
	bytea	   *sealed = sealing_seal(MASTER_KEY_LOGIN_HINT, login_hint, strlen(login_hint),
									  browser_hash, strlen(browser_hash));
	size_t		length = VARSIZE_ANY_EXHDR(sealed);
	char	   *text = palloc0(BASE64URL_ENCODED_LENGTH(length) + 1);

	base64url_encode(text, (uint8 *) VARDATA_ANY(sealed), length);
	json_add_string(json, "login_hint", text);
}

/* Return the login hint, or NULL if there is none or it cannot be opened. */
static char *
read_login_hint(Jsonb *json, const char *browser_hash)
{
	char	   *text = json_cstring(json, "login_hint");
	size_t		length = text == NULL ? 0 : strlen(text);
	bytea	   *sealed = palloc(VARHDRSZ + length);
	char	   *login_hint = palloc0(length + 1);

	if (text == NULL ||
		base64url_decode((uint8 *) VARDATA(sealed), &length, text, length) != JOSE_OK)
		return NULL;
	SET_VARSIZE(sealed, VARHDRSZ + length);
	return sealing_open(MASTER_KEY_LOGIN_HINT, sealed, browser_hash, strlen(browser_hash),
						login_hint, length, &length) ? login_hint : NULL;
}

static void
add_string_unless_null(StringInfo json, const char *name, const char *value)
{
	if (value != NULL)
		json_add_string(json, name, value);
}

char *
authorization_request_write(const AuthorizationRequest *request)
{
	char		browser[BROWSER_HASH_SIZE];
	StringInfoData json;

	hash_browser_secret(request->browser, browser);
	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, "client_id", request->client_id);
	json_add_string(&json, "redirect_uri", request->redirect_uri);
	json_add_boolean(&json, "code", request->wants_code);
	add_string_unless_null(&json, "state", request->state);
	add_string_unless_null(&json, "code_challenge", request->code_challenge);
	add_string_unless_null(&json, "nonce", request->nonce);
	add_string_unless_null(&json, "ui_locales", request->ui_locales);
	if (request->login_hint != NULL)
		add_login_hint(&json, request->login_hint, browser);
	add_string_unless_null(&json, "dpop_jkt", request->dpop_jkt);
	json_add_boolean(&json, "offline_access", request->offline_access);
	if (request->max_age != MAX_AGE_NONE)
		json_add_integer(&json, "max_age", request->max_age);
	if (request->has_hint)
		json_add_uuid(&json, "hint_sub", &request->hint_user_id);
	if (!uuid_is_nil(&request->hint_session_id))
		json_add_uuid(&json, "hint_sid", &request->hint_session_id);
	if (request->wants_account)
		json_add_boolean(&json, "create", true);
	if (request->opens_settings)
		json_add_boolean(&json, "settings", true);
	if (request->has_new_password)
		json_add_boolean(&json, "new_password", true);
	if (request->has_guest)
		json_add_uuid(&json, "sub", &request->ticket.user_id);
	if (request->has_guest && request->ticket.by_session)
		json_add_uuid(&json, "sid", &request->ticket.session_id);
	if (request->has_guest)
		json_add_boolean(&json, "own", request->ticket.by_own_cookie);
	json_add_string(&json, "browser", browser);
	json_add_integer(&json, "exp", unix_seconds(request->expires_at));
	json_close(&json);

	return authenticated_json_write(MASTER_KEY_AUTHORIZATION_REQUEST, &json);
}

/*
 * Return whether a user can still be sent to the redirect URI of a request.  A settings page was
 * chosen by us and is authenticated.  The issuer may have changed since.
 */
static bool
is_current(const AuthorizationRequest *request, const Client *client)
{
	const char *issuer = discovery_issuer();

	return request->opens_settings ?
		strncmp(request->redirect_uri, issuer, strlen(issuer)) == 0 :
		client_has_redirect_uri(client, request->redirect_uri);
}

/* Fill in what authorization_request_origin() promises, from authenticated JSON. */
static bool
read_origin(Jsonb *json, AuthorizationRequest *request, Client *client)
{
	memset(request, 0, sizeof(AuthorizationRequest));
	request->client_id = json_cstring(json, "client_id");
	request->redirect_uri = json_cstring(json, "redirect_uri");
	request->state = json_cstring(json, "state");
	request->ui_locales = json_cstring(json, "ui_locales");
	request->opens_settings = json_boolean(json, "settings");
	return clients_find(request->client_id, client) && is_current(request, client);
}

bool
authorization_request_origin(const char *text, AuthorizationRequest *request, Client *client)
{
	Jsonb	   *json = authenticated_json_read(MASTER_KEY_AUTHORIZATION_REQUEST, text);

	return json != NULL && read_origin(json, request, client);
}

bool
authorization_request_read(const char *text, const char *browser, TimestampTz now,
						   AuthorizationRequest *request, Client *client)
{
	char		hash[BROWSER_HASH_SIZE];
	Jsonb	   *json = authenticated_json_read(MASTER_KEY_AUTHORIZATION_REQUEST, text);
	int64		expires_at;

	if (json == NULL || browser == NULL)
		return false;
	hash_browser_secret(browser, hash);
	if (!json_string_equals(json, "browser", hash) ||
		!json_numeric_date(json, "exp", &expires_at) || expires_at <= unix_seconds(now) ||
		!read_origin(json, request, client))
		return false;

	request->has_new_password = json_boolean(json, "new_password");
	request->wants_code = json_boolean(json, "code");
	request->code_challenge = json_cstring(json, "code_challenge");
	request->nonce = json_cstring(json, "nonce");
	request->dpop_jkt = json_cstring(json, "dpop_jkt");
	request->login_hint = read_login_hint(json, hash);
	request->offline_access = json_boolean(json, "offline_access");
	if (!json_numeric_date(json, "max_age", &request->max_age))
		request->max_age = MAX_AGE_NONE;
	request->browser = pstrdup(browser);
	request->expires_at = unix_time(expires_at);
	request->ticket.by_session = json_uuid(json, "sid", &request->ticket.session_id);
	request->ticket.by_own_cookie = json_boolean(json, "own");
	request->wants_account = json_boolean(json, "create");
	request->has_guest = json_uuid(json, "sub", &request->ticket.user_id);
	request->has_hint = json_uuid(json, "hint_sub", &request->hint_user_id);
	(void) json_uuid(json, "hint_sid", &request->hint_session_id);
	return true;
}
