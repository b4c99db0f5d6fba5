/*-------------------------------------------------------------------------
 *
 * claim_endpoint.c
 *	  POST /api/anonymous_user/claim: merges a guest into the account of the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "domain/claims.h"
#include "domain/client.h"
#include "domain/guest_claim.h"
#include "domain/guest_proof.h"
#include "http/http_api.h"
#include "http/http_caller.h"
#include "http/http_dpop.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_json_body.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "miscadmin.h"
#include "store/app_tables.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

static const HttpMember members[] = {
	{.name = "client_id",.required = true},
	{.name = "jwt"},
	{.name = "promotion_code"},
	{.name = "refresh_token"},
	{.name = "dry_run",.type = MEMBER_BOOLEAN}
};

/*
 * Return whether users may know the name of a table: the role of their access tokens, or of
 * the request if tokens have none, may read one of its columns.
 */
static bool
is_known_to_users(const AppTable *table)
{
	const char *name = claims_token_role();
	Oid			role = name != NULL ? get_role_oid(name, true) : GetOuterUserId();
	Oid			schema = get_rel_namespace(table->id);

	return OidIsValid(role) && OidIsValid(schema) &&
		DatumGetBool(DirectFunctionCall3(has_schema_privilege_id_id, ObjectIdGetDatum(role),
										 ObjectIdGetDatum(schema),
										 CStringGetTextDatum("USAGE"))) &&
		(pg_class_aclcheck(table->id, role, ACL_SELECT) == ACLCHECK_OK ||
		 pg_attribute_aclcheck_all(table->id, role, ACL_SELECT, ACLMASK_ANY) == ACLCHECK_OK);
}

static void
append_table(StringInfo json, const char *name, uint64 rows)
{
	if (json->data[json->len - 1] != '[')
		appendStringInfoChar(json, ',');
	json_open(json);
	if (name != NULL)
		json_add_string(json, "table", name);
	else
		json_add_raw(json, "table", "null");
	json_add_integer(json, "rows", (int64) rows);
	json_close(json);
}

/*
 * Answer {"result": {"tables": [{"table", "rows"}, ...]}}.  The rows of tables that users
 * cannot read are counted together, without a name.
 */
static void
write_tables(HttpResponse *response, const AppTable *tables, int count)
{
	StringInfoData json;
	uint64		others = 0;
	int			i;

	initStringInfo(&json);
	json_open(&json);
	json_add_name(&json, "tables");
	json_open_array(&json);
	for (i = 0; i < count; i++)
	{
		if (is_known_to_users(&tables[i]))
			append_table(&json, tables[i].qualified_name, tables[i].moved);
		else
			others += tables[i].moved;
	}
	if (others > 0)
		append_table(&json, NULL, others);
	json_close_array(&json);
	json_close(&json);
	http_api_result(response, json.data);
}

static void
handle_claim(const HttpRequest *request, HttpResponse *response)
{
	Jsonb	   *body = http_json_body(request, members, lengthof(members), response);
	GuestProof	proof;
	Session		session;
	User		caller;
	Client		client;
	AppTable   *tables;
	int			count;

	/* A foreign page could put its guest into the account of the cookie. */
	if (body == NULL || !http_api_lock_caller(request, &session, &caller, response))
		return;
	(void) http_api_guest_proof(body, &proof);
	client_get(json_cstring(body, "client_id"), &client);
	proof.dpop = http_dpop(request);
	guest_claim_run(&client, &caller, session.client_id, &proof, json_boolean(body, "dry_run"),
					request->now, &tables, &count);
	write_tables(response, tables, count);
	http_renew_session_cookie(request, &session, response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_anonymous_user_claim);
Datum
anon_auth_http_anonymous_user_claim(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_claim, http_write_api_error);
}
