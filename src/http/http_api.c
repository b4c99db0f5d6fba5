/*-------------------------------------------------------------------------
 *
 * http_api.c
 *	  Responses that the endpoints of Authgear's API have in common (docs/authgear.md, 2.5).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/session.h"
#include "http/http_api.h"
#include "http/http_caller.h"
#include "http/http_errors.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "utils/datetime.h"

void
http_api_result(HttpResponse *response, const char *json)
{
	http_json(response, 200, psprintf("{\"result\":%s}", json));
	http_no_store(response);
}

char *
http_api_time(TimestampTz time)
{
	pg_tz	   *utc = pg_tzset("GMT");
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	if (timestamp2tm(time, &tz, &tm, &fsec, NULL, utc) != 0)
		elog(ERROR, "timestamp out of range");
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year, tm.tm_mon, tm.tm_mday,
					tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fsec);
}

static void
add_expiry(StringInfo json, TimestampTz expires_at)
{
	json_add_string(json, "expire_at", http_api_time(expires_at));
}

void
http_api_secret(HttpResponse *response, const char *name, const char *secret,
				TimestampTz expires_at)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	json_add_string(&json, name, secret);
	add_expiry(&json, expires_at);
	json_close(&json);
	http_api_result(response, json.data);
}

void
http_api_expiry(HttpResponse *response, TimestampTz expires_at)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	add_expiry(&json, expires_at);
	json_close(&json);
	http_api_result(response, json.data);
}

bool
http_api_guest_proof(const Jsonb *body, GuestProof *proof)
{
	memset(proof, 0, sizeof(GuestProof));
	proof->jwt = json_cstring(body, "jwt");
	proof->promotion_code = json_cstring(body, "promotion_code");
	proof->refresh_token = json_cstring(body, "refresh_token");
	return proof->jwt != NULL || proof->promotion_code != NULL || proof->refresh_token != NULL;
}

bool
http_api_refuse_foreign(const HttpRequest *request, HttpResponse *response)
{
	if (!http_is_foreign(request, true))
		return false;
	http_api_error(response, 403, "Forbidden", "Forbidden", "cross-site request", NULL);
	return true;
}

void
http_api_authentication_required(HttpResponse *response)
{
	http_api_error(response, 401, "Unauthorized", "Unauthorized", "authentication required",
				   NULL);
}

/* Answer 401 unless the caller is known. */
static bool
admit_caller(const HttpRequest *request, HttpCaller caller, HttpResponse *response)
{
	const char *problem = http_caller_token_problem(caller);

	if (caller == CALLER_KNOWN)
		return true;
	/* What is wrong with the key is news to the client.  Other tokens are answered as upstream. */
	if (problem != NULL && caller != CALLER_INVALID_TOKEN)
		http_api_error(response, 401, "Unauthorized", "Unauthorized", problem, NULL);
	else
		http_api_authentication_required(response);
	http_add_header(response, "WWW-Authenticate",
					problem != NULL ?
					http_token_challenge(request, "invalid_token", problem,
										 caller == CALLER_NEEDS_PROOF) :
					http_has_dpop_token(request) ?
					http_dpop_challenge("invalid_token", "the session has ended") : "Bearer");
	return false;
}

static bool
refuse_cookie(const HttpRequest *request, HttpResponse *response)
{
	return http_access_token(request) == NULL && http_api_refuse_foreign(request, response);
}

bool
http_api_caller(const HttpRequest *request, Session *session, User *user,
				HttpResponse *response)
{
	if (refuse_cookie(request, response) ||
		!admit_caller(request, http_caller(request, session, user), response))
		return false;
	/* So far, user is only what decides about the session. */
	session_get_user(&session->user_id, &session->id, request->now, user, session);
	return true;
}

bool
http_api_lock_caller(const HttpRequest *request, Session *session, User *user,
					 HttpResponse *response)
{
	return !refuse_cookie(request, response) &&
		admit_caller(request, http_lock_caller(request, session, user), response);
}
