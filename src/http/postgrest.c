/*-------------------------------------------------------------------------
 *
 * postgrest.c
 *	  postgrest_pre_request(): cookie sessions for everything that PostgREST
 *	  serves, and the refusal of tokens that are no access tokens and of sessions
 *	  that have ended.
 *
 * PostgREST calls the function at the beginning of every transaction, as the role
 * of the request.  The function sets another role, which a SECURITY DEFINER function
 * may not do.  So it becomes the extension's owner only to look up the session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "domain/claims.h"
#include "domain/identity.h"
#include "domain/own_jwt.h"
#include "domain/run_action.h"
#include "domain/session.h"
#include "http/http_caller.h"
#include "http/http_endpoint.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_read.h"
#include "store/sessions.h"
#include "store/users.h"
#include "utils/guc.h"

/* PostgREST answers an error PTxyz with the HTTP status xyz. */
#define ERRCODE_HTTP_400	MAKE_SQLSTATE('P', 'T', '4', '0', '0')
#define ERRCODE_HTTP_401	MAKE_SQLSTATE('P', 'T', '4', '0', '1')
#define ERRCODE_HTTP_403	MAKE_SQLSTATE('P', 'T', '4', '0', '3')

typedef enum Verdict
{
	VERDICT_NOTHING_TO_DO,
	VERDICT_COOKIE_SESSION,
	VERDICT_INVALID_SESSION,
	VERDICT_INVALID_TOKEN,
	VERDICT_CROSS_SITE
} Verdict;

/* The result of check_request(). */
typedef struct RequestCheck
{
	Verdict		verdict;
	char	   *role;			/* for a cookie session, as the next */
	char	   *claims;
	char	   *headers;		/* of the response; NULL: as they are */
	const char *reason;			/* for an invalid token: a clause */
} RequestCheck;

static bool
is_safe_method(void)
{
	const char *method = GetConfigOption("request.method", true, false);

	return method != NULL && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0);
}

/* Return the headers of a response that renews the cookie, or NULL. */
static char *
headers_with_renewed_cookie(const HttpRequest *request, const Session *session)
{
	HttpResponse response;

	http_response_begin(&response);
	http_no_store(&response);
	return http_renew_session_cookie(request, session, &response) ?
		http_add_to_postgrest_headers(&response) : NULL;
}

static Verdict
check_cookie(const HttpRequest *request, RequestCheck *check)
{
	Session		session;
	User		user;

	switch (http_cookie_caller(request, &session, &user))
	{
		case CALLER_NOBODY:
			return VERDICT_NOTHING_TO_DO;
		case CALLER_INVALID_TOKEN:
		case CALLER_INVALID:
			return VERDICT_INVALID_SESSION;
		case CALLER_KNOWN:
			break;
	}
	if (!is_safe_method() && http_is_foreign(request, true))
		return VERDICT_CROSS_SITE;
	check->claims = claims_of_session(&user, &session);
	check->headers = headers_with_renewed_cookie(request, &session);
	return VERDICT_COOKIE_SESSION;
}

/* True if the token in the Authorization header, which PostgREST verified, has the typ. */
static bool
is_typed_as_access_token(const HttpRequest *request)
{
	const char *value = http_header(request, "authorization");

	if (pg_strncasecmp(value, "Bearer ", 7) != 0)
		return false;
	value += 7;
	value += strspn(value, " ");
	return own_jwt_has_typ(value, strlen(value), "at+jwt");
}

/*
 * Check a token.  PostgREST has verified its signature and expiry and has set its
 * claims, but it accepts every token that one of our keys signed, for example an ID
 * token, and it may have read the settings a while ago.
 */
static Verdict
check_token(const HttpRequest *request, const char **reason)
{
	Jsonb	   *claims = json_setting("request.jwt.claims", ERRCODE_HTTP_400);
	pg_uuid_t	sub;
	pg_uuid_t	sid;
	Session		session;
	User		user;

	if (claims == NULL)
		return VERDICT_NOTHING_TO_DO;
	if (json_member(claims, "sub") == NULL)
	{
		*reason = own_jwt_machine_claims_problem(claims);
		return *reason == NULL ? VERDICT_NOTHING_TO_DO : VERDICT_INVALID_TOKEN;
	}
	*reason = own_jwt_access_claims_problem(claims, NULL, &sub, &sid);
	if (*reason == NULL && !is_typed_as_access_token(request))
		*reason = "its type (typ) is not at+jwt";
	if (*reason == NULL && json_member(claims, "cnf") != NULL)
		*reason = "it is bound to a key (cnf)";
	if (*reason != NULL)
		return VERDICT_INVALID_TOKEN;
	if (request->policy.check_session_on_request ?
		!session_find_alive(&sub, &sid, request->now, &session, &user) :
		identity_is_former_guest(claims, &sub))
		return VERDICT_INVALID_SESSION;
	return VERDICT_NOTHING_TO_DO;
}

static Verdict
verdict_on_request(RequestCheck *check)
{
	HttpRequest request;
	Verdict		verdict;

	http_request_begin(&request, "");
	http_request_read(&request, ERRCODE_HTTP_400);
	if (http_header(&request, "authorization") != NULL)
		return check_token(&request, &check->reason);

	/*
	 * The reverse proxy sets this header for functions of anon_auth_http, which
	 * read the cookie themselves.  A client that sends the header itself only
	 * loses its identity.
	 */
	if (http_header(&request, "x-original-method") != NULL)
		return VERDICT_NOTHING_TO_DO;
	verdict = check_cookie(&request, check);
	check->role = pstrdup(claims_token_role());
	return verdict;
}

/* Fills a RequestCheck, as run_action_as_owner() calls it. */
static void
check_request(void *arg)
{
	RequestCheck *check = arg;

	check->verdict = verdict_on_request(check);
}

PG_FUNCTION_INFO_V1(anon_auth_postgrest_pre_request);
Datum
anon_auth_postgrest_pre_request(PG_FUNCTION_ARGS)
{
	RequestCheck check = {0};

	run_action_as_owner(check_request, &check);
	switch (check.verdict)
	{
		case VERDICT_NOTHING_TO_DO:
			break;
		case VERDICT_INVALID_SESSION:
			ereport(ERROR,
					(errcode(ERRCODE_HTTP_401),
					 errmsg("invalid session"),
					 errdetail("The session has ended, or the user is disabled or gone."),
					 errhidestmt(true)));
			break;
		case VERDICT_INVALID_TOKEN:
			ereport(ERROR,
					(errcode(ERRCODE_HTTP_401),
					 errmsg("invalid access token"),
					 errdetail("The token is not an access token of this server: %s.", check.reason),
					 errhidestmt(true)));
			break;
		case VERDICT_CROSS_SITE:
			ereport(ERROR,
					(errcode(ERRCODE_HTTP_403),
					 errmsg("cross-site request"),
					 errdetail("A session cookie counts only for pages of the issuer and of redirect URIs of first-party clients."),
					 errhidestmt(true)));
			break;
		case VERDICT_COOKIE_SESSION:
			identity_set(check.claims, true);
			(void) set_config_option("request.jwt.claims", check.claims, PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_LOCAL, true, 0, false);
			if (check.headers != NULL)
				(void) set_config_option("response.headers", check.headers, PGC_USERSET,
										 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
			(void) set_config_option("role", check.role, PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_LOCAL, true, 0, false);
			break;
	}
	PG_RETURN_VOID();
}
