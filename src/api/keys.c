/*-------------------------------------------------------------------------
 *
 * keys.c
 *	  create_signing_key(), import_signing_key(), rotate_signing_key(),
 *	  retire_signing_key(), ensure_signing_key(), rotate_master_key(),
 *	  reseal_signing_keys(), master_key_ids(), master_key_exists(),
 *	  retire_master_key(), renew_database_id(), master_key_users(),
 *	  master_key_in_data_directory()
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "api/api.h"
#include "base/raise.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "keyring/keyring.h"
#include "keyring/master_key_users.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(anon_auth_create_signing_key);
Datum
anon_auth_create_signing_key(PG_FUNCTION_ARGS)
{
	api_begin_write("create_signing_key()");
	PG_RETURN_TEXT_P(cstring_to_text(keyring_create(api_required_text(fcinfo, 0, "alg"))));
}

PG_FUNCTION_INFO_V1(anon_auth_import_signing_key);
Datum
anon_auth_import_signing_key(PG_FUNCTION_ARGS)
{
	Jsonb	   *jwk = api_jsonb(fcinfo, 0);

	api_begin_write("import_signing_key()");
	if (jwk == NULL)
		raise_required("jwk");
	PG_RETURN_TEXT_P(cstring_to_text(keyring_import(jwk)));
}

PG_FUNCTION_INFO_V1(anon_auth_rotate_signing_key);
Datum
anon_auth_rotate_signing_key(PG_FUNCTION_ARGS)
{
	api_begin_write("rotate_signing_key()");
	PG_RETURN_TEXT_P(cstring_to_text(keyring_rotate(api_text(fcinfo, 0))));
}

PG_FUNCTION_INFO_V1(anon_auth_retire_signing_key);
Datum
anon_auth_retire_signing_key(PG_FUNCTION_ARGS)
{
	api_begin_write("retire_signing_key()");
	keyring_retire(api_required_text(fcinfo, 0, "kid"));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_rotate_master_key);
Datum
anon_auth_rotate_master_key(PG_FUNCTION_ARGS)
{
	api_begin_write("rotate_master_key()");
	PG_RETURN_TEXT_P(cstring_to_text(keyring_rotate_master_key()));
}

PG_FUNCTION_INFO_V1(anon_auth_reseal_signing_keys);
Datum
anon_auth_reseal_signing_keys(PG_FUNCTION_ARGS)
{
	api_begin_write("reseal_signing_keys()");
	PG_RETURN_INT64((int64) keyring_reseal());
}

PG_FUNCTION_INFO_V1(anon_auth_master_key_ids);
Datum
anon_auth_master_key_ids(PG_FUNCTION_ARGS)
{
	ArrayBuildState *ids = NULL;
	const char *id;
	int			i;

	for (i = 0; (id = master_key_id(i)) != NULL; i++)
		ids = accumArrayResult(ids, CStringGetTextDatum(id), false, TEXTOID,
							   CurrentMemoryContext);
	PG_RETURN_DATUM(makeArrayResult(ids, CurrentMemoryContext));
}

PG_FUNCTION_INFO_V1(anon_auth_master_key_exists);
Datum
anon_auth_master_key_exists(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(master_key_exists());
}

PG_FUNCTION_INFO_V1(anon_auth_retire_master_key);
Datum
anon_auth_retire_master_key(PG_FUNCTION_ARGS)
{
	api_begin_write("retire_master_key()");
	if (PG_ARGISNULL(1))
		raise_required("force");
	keyring_retire_master_key(api_required_text(fcinfo, 0, "key_id"), PG_GETARG_BOOL(1));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_renew_database_id);
Datum
anon_auth_renew_database_id(PG_FUNCTION_ARGS)
{
	api_begin_write("renew_database_id()");
	PG_RETURN_DATUM(DirectFunctionCall1(uuid_in, CStringGetDatum(keyring_renew_database_id())));
}

PG_FUNCTION_INFO_V1(anon_auth_master_key_users);
Datum
anon_auth_master_key_users(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MasterKeyUser *users;
	int			count;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	users = master_key_users(&count);
	for (i = 0; i < count; i++)
	{
		ArrayBuildState *ids = initArrayResult(TEXTOID, CurrentMemoryContext, false);
		Datum		values[5];
		bool		nulls[5] = {false};
		int			key;

		for (key = 0; key < users[i].count; key++)
			ids = accumArrayResult(ids, CStringGetTextDatum(users[i].key_ids[key]), false,
								   TEXTOID, CurrentMemoryContext);
		values[0] = CStringGetTextDatum(users[i].name);
		values[1] = UUIDPGetDatum(&users[i].database_id);
		values[2] = makeArrayResult(ids, CurrentMemoryContext);
		values[3] = BoolGetDatum(users[i].system == GetSystemIdentifier());
		values[4] = BoolGetDatum(master_key_user_is_here(&users[i]));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(anon_auth_master_key_in_data_directory);
Datum
anon_auth_master_key_in_data_directory(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(master_key_file_in_data_directory());
}

/* create_client() calls it, so that the first key is not made by a login. */
PG_FUNCTION_INFO_V1(anon_auth_ensure_signing_key);
Datum
anon_auth_ensure_signing_key(PG_FUNCTION_ARGS)
{
	api_begin_write("ensure_signing_key()");
	keyring_ensure_signer();
	PG_RETURN_VOID();
}
