/*-------------------------------------------------------------------------
 *
 * postgrest.c
 *	  postgrest_pre_request(): cookie sessions and tokens that are bound to a key, for
 *	  everything that PostgREST serves, and the refusal of tokens that are no access
 *	  tokens and of sessions that have ended.
 *
 * PostgREST calls the function at the beginning of every transaction, as the role
 * of the request.  The function sets another role, which a SECURITY DEFINER function
 * may not do.  So it becomes the extension's owner only to look up the session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/errors.h"
#include "base/raise.h"
#include "base/span.h"
#include "domain/claims.h"
#include "domain/identity.h"
#include "domain/own_jwt.h"
#include "domain/run_action.h"
#include "domain/session.h"
#include "http/http_caller.h"
#include "http/http_dpop.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_read.h"
#include "json/json_setting.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "store/sessions.h"
#include "store/users.h"
#include "utils/guc.h"

/* PostgREST answers an error PTxyz with the HTTP status xyz. */
#define ERRCODE_HTTP_400	MAKE_SQLSTATE('P', 'T', '4', '0', '0')
#define ERRCODE_HTTP_401	MAKE_SQLSTATE('P', 'T', '4', '0', '1')
#define ERRCODE_HTTP_403	MAKE_SQLSTATE('P', 'T', '4', '0', '3')
#define ERRCODE_POSTGREST	MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')

typedef enum Verdict
{
	VERDICT_NOTHING_TO_DO,
	VERDICT_SESSION,			/* of a cookie, or of a token that is bound to a key */
	VERDICT_INVALID_SESSION,
	VERDICT_INVALID_TOKEN,
	VERDICT_CROSS_SITE,
	VERDICT_WRONG_KEY
} Verdict;

/* The result of check_request(). */
typedef struct RequestCheck
{
	Verdict		verdict;
	char	   *role;			/* for VERDICT_SESSION, as the next; NULL: as it is */
	char	   *claims;
	char	   *headers;		/* of the response; NULL: as they are */
	const char *reason;			/* for an invalid token: a clause */

	/* For VERDICT_WRONG_KEY: a token or proof that needs a challenge with the scheme DPoP. */
	const char *message;
	const char *detail;
	char	   *challenge;
	char	   *nonce;			/* for the next proof; NULL: none */
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
		case CALLER_KNOWN:
			break;
		default:
			return VERDICT_INVALID_SESSION;
	}
	if (!is_safe_method() && http_is_foreign(request, true))
		return VERDICT_CROSS_SITE;
	check->role = pstrdup(claims_token_role());
	check->claims = claims_of_session(&user, &session);
	check->headers = headers_with_renewed_cookie(request, &session);
	return VERDICT_SESSION;
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

/* Refuse a token that is bound to a key, but has the scheme Bearer. */
static Verdict
refuse_bearer(const HttpRequest *request, RequestCheck *check)
{
	const char *problem = http_caller_token_problem(CALLER_NEEDS_PROOF);

	check->message = "invalid access token";
	check->detail = problem;
	check->challenge = http_token_challenge(request, "invalid_token", problem, true);
	return VERDICT_WRONG_KEY;
}

/*
 * Check a token.  PostgREST has verified its signature and expiry and has set its
 * claims, but it accepts every token that one of our keys signed, for example an ID
 * token, and it may have read the settings a while ago.
 */
static Verdict
check_token(const HttpRequest *request, RequestCheck *check)
{
	const char **reason = &check->reason;
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
	if (*reason != NULL)
		return VERDICT_INVALID_TOKEN;
	if (json_member(claims, "cnf") != NULL)
		return refuse_bearer(request, check);
	if (request->policy.check_session_on_request ?
		!session_find_alive(&sub, &sid, request->now, &session, &user) :
		identity_is_former_guest(claims, &sub))
		return VERDICT_INVALID_SESSION;
	return VERDICT_NOTHING_TO_DO;
}

/* The arguments and the result of verify_bound_token(). */
typedef struct BoundToken
{
	const HttpRequest *request;
	AccessToken access;
} BoundToken;

/* Verify a token and its proof; arg is void * for http_try(). */
static void
verify_bound_token(void *arg)
{
	BoundToken *bound = arg;
	char	   *token = http_access_token(bound->request);
	Span		span = span_of_string(token);

	own_jwt_verify_access_token(token, strlen(token), bound->request->now, &bound->access);
	if (bound->access.jkt == NULL)
		raise_invalid_token("it is not bound to a key, and needs the scheme Bearer");
	if (!identity_use_key(&span, &bound->access, http_dpop(bound->request)))
		raise_token_of_other_key();
}

/* Refuse a token of the scheme DPoP, or its proof. */
static Verdict
refuse_bound_token(const ErrorData *error, RequestCheck *check)
{
	bool		is_token = error->sqlerrcode == ERRCODE_AA_INVALID_TOKEN;
	const char *code;
	const char *description;

	(void) http_classify_oauth_error(error, &code, &description);
	if (error->sqlerrcode == ERRCODE_AA_USE_DPOP_NONCE)
		check->nonce = raise_json_member(error->detail, "dpop_nonce");
	check->message = is_token ? "invalid access token" : error->message;
	check->detail = check->nonce != NULL ? "The proof must have the nonce of DPoP-Nonce." :
		error->detail;
	check->challenge = http_dpop_challenge(code, is_token && error->detail != NULL ? error->detail :
										   description);
	return VERDICT_WRONG_KEY;
}

/* Return the headers of a response with the next nonce, or NULL. */
static char *
headers_with_nonce(const HttpRequest *request)
{
	HttpResponse response;
	int			length;

	http_response_begin(&response);
	length = response.headers.len;
	http_add_dpop_nonce(request, &response);
	return response.headers.len > length ? http_add_to_postgrest_headers(&response) : NULL;
}

/*
 * Check a token of the scheme DPoP.  PostgREST knows only the scheme Bearer, so it has looked
 * at nothing: the request has the role of requests without a token.
 */
static Verdict
check_bound_token(const HttpRequest *request, RequestCheck *check)
{
	BoundToken	bound = {.request = request};
	ErrorData  *error = http_try(verify_bound_token, &bound);
	Session		session;
	User		user;

	if (error != NULL && !http_is_refusal(error))
		ReThrowError(error);
	if (error != NULL)
		return refuse_bound_token(error, check);
	if (request->policy.check_session_on_request ?
		!session_find_alive(&bound.access.sub, &bound.access.sid, request->now, &session, &user) :
		identity_is_former_guest(bound.access.claims, &bound.access.sub))
		return VERDICT_INVALID_SESSION;
	check->role = json_cstring(bound.access.claims, "role");
	check->claims = json_from_jsonb(bound.access.claims);
	check->headers = headers_with_nonce(request);
	return VERDICT_SESSION;
}

static Verdict
verdict_on_request(RequestCheck *check)
{
	HttpRequest request;

	http_request_begin(&request, "");
	http_request_read(&request, ERRCODE_HTTP_400);
	request.real_method = GetConfigOption("request.method", true, false);
	if (http_header(&request, "authorization") != NULL && http_has_dpop_token(&request))
		return check_bound_token(&request, check);
	if (http_header(&request, "authorization") != NULL)
		return check_token(&request, check);

	/*
	 * The reverse proxy sets this header for functions of anon_auth_http, which
	 * read the cookie themselves.  A client that sends the header itself only
	 * loses its identity.
	 */
	if (http_header(&request, "x-original-method") != NULL)
		return VERDICT_NOTHING_TO_DO;
	return check_cookie(&request, check);
}

/* Fills a RequestCheck, as run_action_as_owner() calls it. */
static void
check_request(void *arg)
{
	RequestCheck *check = arg;

	check->verdict = verdict_on_request(check);
}

/*
 * Raise an error that PostgREST answers with the challenge of RFC 9449, section 7.  It takes
 * status and headers from the DETAIL of an error of this code.
 */
pg_noreturn static void
raise_challenge(const RequestCheck *check)
{
	StringInfoData message;
	StringInfoData detail;

	initStringInfo(&message);
	json_open(&message);
	json_add_string(&message, "code", "PT401");
	json_add_string(&message, "message", check->message);
	if (check->detail != NULL)
		json_add_string(&message, "details", check->detail);
	json_close(&message);
	initStringInfo(&detail);
	json_open(&detail);
	json_add_integer(&detail, "status", 401);
	json_add_name(&detail, "headers");
	json_open(&detail);
	json_add_string(&detail, "WWW-Authenticate", check->challenge);
	if (check->nonce != NULL)
		json_add_string(&detail, "DPoP-Nonce", check->nonce);
	json_close(&detail);
	json_close(&detail);
	ereport(ERROR,
			(errcode(ERRCODE_POSTGREST),
			 errmsg_internal("%s", message.data),
			 errdetail_internal("%s", detail.data),
			 errhidestmt(true)));
}

static void
set_parameter(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
							 false);
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
		case VERDICT_WRONG_KEY:
			raise_challenge(&check);
			break;
		case VERDICT_SESSION:
			identity_set(check.claims, true);
			set_parameter("request.jwt.claims", check.claims);
			if (check.headers != NULL)
				set_parameter("response.headers", check.headers);
			if (check.role != NULL)
				set_parameter("role", check.role);
			break;
	}
	PG_RETURN_VOID();
}
