/*-------------------------------------------------------------------------
 *
 * key_functions.c
 *	  The SQL functions that administer signing keys and master keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "api/api.h"
#include "api/result_row.h"
#include "base/raise.h"
#include "catalog/pg_type.h"
#include "keyring/key_changes.h"
#include "keyring/master_key.h"
#include "keyring/master_key_file.h"
#include "keyring/master_key_rotation.h"
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
	PG_RETURN_TEXT_P(cstring_to_text(keyring_rotate(api_text(fcinfo, 0),
												api_required_bool(fcinfo, 1, "immediately"))));
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

	for (i = 0; (id = master_key_id_at(i)) != NULL; i++)
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
	keyring_retire_master_key(api_required_text(fcinfo, 0, "key_id"),
							  api_required_bool(fcinfo, 1, "force"));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(anon_auth_renew_database_id);
Datum
anon_auth_renew_database_id(PG_FUNCTION_ARGS)
{
	api_begin_write("renew_database_id()");
	PG_RETURN_DATUM(DirectFunctionCall1(uuid_in, CStringGetDatum(keyring_renew_database_id())));
}

/* The ids of the master keys that a database uses, as text[]. */
static Datum
key_ids_array(const MasterKeyUser *user)
{
	ArrayBuildState *ids = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	int			i;

	for (i = 0; i < user->count; i++)
		ids = accumArrayResult(ids, CStringGetTextDatum(user->key_ids[i]), false, TEXTOID,
							   CurrentMemoryContext);
	return makeArrayResult(ids, CurrentMemoryContext);
}

PG_FUNCTION_INFO_V1(anon_auth_master_key_users);
Datum
anon_auth_master_key_users(PG_FUNCTION_ARGS)
{
	ResultRow  *row = result_row_begin_set(fcinfo);
	int			count;
	MasterKeyUser *users = master_key_users(&count);
	int			i;

	for (i = 0; i < count; i++)
	{
		const MasterKeyUser *user = &users[i];

		result_row_set(row, "database_name", CStringGetTextDatum(user->name));
		result_row_set(row, "database_id", UUIDPGetDatum(&user->database_id));
		result_row_set(row, "key_ids", key_ids_array(user));
		result_row_set(row, "is_of_this_server",
					   BoolGetDatum(user->system == GetSystemIdentifier()));
		result_row_set(row, "is_this_database", BoolGetDatum(master_key_user_is_here(user)));
		result_row_add(row);
	}
	return (Datum) 0;
}

/* Returns no row if the file is not in the data directory. */
PG_FUNCTION_INFO_V1(anon_auth_master_key_in_data_directory);
Datum
anon_auth_master_key_in_data_directory(PG_FUNCTION_ARGS)
{
	ResultRow  *row = result_row_begin_set(fcinfo);
	char	   *path = master_key_file_in_data_directory();

	if (path != NULL)
	{
		result_row_set(row, "copy_commands",
					   CStringGetTextDatum(master_key_file_copy_commands(path)));
		result_row_set(row, "new_path", CStringGetTextDatum(master_key_file_proposed_path()));
		result_row_add(row);
	}
	return (Datum) 0;
}

/* create_client() calls this, so that the first login need not make a key. */
PG_FUNCTION_INFO_V1(anon_auth_ensure_signing_key);
Datum
anon_auth_ensure_signing_key(PG_FUNCTION_ARGS)
{
	api_begin_write("ensure_signing_key()");
	keyring_ensure_signer();
	PG_RETURN_VOID();
}
