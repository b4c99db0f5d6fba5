/*-------------------------------------------------------------------------
 *
 * uri_functions.c
 *	  check_uri(), check_uris(): the constraints on the URIs in settings and clients
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "catalog/pg_type.h"
#include "uri/uri.h"
#include "utils/array.h"

/* Return the rules for a column of settings or clients.  Raises 22023 for any other name. */
static UriKind
kind_of_setting(const char *setting)
{
	static const struct
	{
		const char *setting;
		UriKind		kind;
	}			kinds[] =
	{
		{"issuer", URI_ISSUER},
		{"audience", URI_AUDIENCE},
		{"brand_logo_uri", URI_IMAGE},
		{"policy_uri", URI_LINK},
		{"tos_uri", URI_LINK},
		{"redirect_uris", URI_REDIRECT},
		{"post_logout_redirect_uris", URI_REDIRECT}
	};
	int			i;

	for (i = 0; i < lengthof(kinds); i++)
		if (strcmp(setting, kinds[i].setting) == 0)
			return kinds[i].kind;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is not a setting with a URI", setting)));
}

/* Raise 22023 unless the URI is allowed in the column. */
static void
check_column_value(const char *setting, const char *uri)
{
	char		normal[URI_NORMAL_SIZE];
	const char *reason = uri_check(kind_of_setting(setting), uri, normal);

	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid URI \"%s\" in %s", uri, setting),
				 errdetail_internal("%s", reason),
				 normal[0] == '\0' ? 0 : errhint("Use \"%s\".", normal)));
}

PG_FUNCTION_INFO_V1(anon_auth_check_uri);
Datum
anon_auth_check_uri(PG_FUNCTION_ARGS)
{
	check_column_value(api_text(fcinfo, 0), api_text(fcinfo, 1));
	PG_RETURN_BOOL(true);
}

PG_FUNCTION_INFO_V1(anon_auth_check_uris);
Datum
anon_auth_check_uris(PG_FUNCTION_ARGS)
{
	char	   *setting = api_text(fcinfo, 0);
	Datum	   *uris;
	bool	   *nulls;
	int			count;
	int			i;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT,
					  &uris, &nulls, &count);
	for (i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a URI in %s must not be NULL", setting)));
		check_column_value(setting, TextDatumGetCString(uris[i]));
	}
	PG_RETURN_BOOL(true);
}
