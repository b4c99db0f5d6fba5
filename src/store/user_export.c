/*-------------------------------------------------------------------------
 *
 * user_export.c
 *	  Everything that the extension's tables have about one user, without secrets.
 *
 * A statement names the columns that are left out, so that a new column is exported.
 * sql/export.sql fails if a table with a user_id is missing, or if a column that may be
 * secret is exported.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json/json_write.h"
#include "store/statement.h"
#include "store/user_export.h"

#define EXPORT_COLUMNS(COLUMN) \
	COLUMN(JSONB, value)

typedef struct ExportRow
{
	EXPORT_COLUMNS(RECORD_FIELD)
} ExportRow;

RECORD_TYPE(export_row, ExportRow, EXPORT_COLUMNS);

/* The rows of a table, without these columns. */
#define ROWS_OF(table, left_out, condition) { \
	.sql = "SELECT to_jsonb(t.*) - '{" left_out "}'::text[] AS value" \
	" FROM anon_auth." table " t WHERE " condition, \
	.row = &export_row_record \
}

#define OF_USER		"t.user_id = :user_id"
#define OF_ROUTES	"t.route = ANY (:routes)"

static Statement users = ROWS_OF("users", "purge_from,login_id_routes,identity_routes,device_key_routes,passkey_routes",
								 "t.id = :user_id");

/* What finds the rows: the parameters of a statement. */
typedef enum ExportKey
{
	BY_USER,
	BY_USER_AND_LOGIN_IDS,		/* :routes are those in the user's row, and name the shards */
	BY_USER_AND_IDENTITIES,
	BY_USER_AND_PASSKEYS,
	BY_LOGIN_IDS
} ExportKey;

typedef struct ExportedTable
{
	const char *name;
	ExportKey	key;
	Statement	statement;
} ExportedTable;

/* The id is in base64url, as in list_passkeys(). */
#define PASSKEYS { \
	.sql = "SELECT to_jsonb(t.*) - '{route,used_challenges}'::text[]" \
	" || jsonb_build_object('credential_id'," \
	" rtrim(translate(encode(t.credential_id, 'base64'), E'+/\\n', '-_'), '=')) AS value" \
	" FROM anon_auth.passkeys t WHERE " OF_ROUTES " AND " OF_USER, \
	.row = &export_row_record \
}

/* Codes and messages for an address belong to the account that has it. */
static ExportedTable exported_tables[] = {
	{"login_ids", BY_USER_AND_LOGIN_IDS, ROWS_OF("login_ids", "route", OF_ROUTES " AND " OF_USER)},
	{"user_identities", BY_USER_AND_IDENTITIES,
	ROWS_OF("user_identities", "route,used_challenges", OF_ROUTES " AND " OF_USER)},
	{"passkeys", BY_USER_AND_PASSKEYS, PASSKEYS},
	{"passwords", BY_USER, ROWS_OF("passwords", "password_hash", OF_USER)},
	{"device_keys", BY_USER, ROWS_OF("device_keys", "route,used_challenges", OF_USER)},
	{"removed_device_keys", BY_USER, ROWS_OF("removed_device_keys", "route,used_challenges", OF_USER)},
	{"merged_guests", BY_USER, ROWS_OF("merged_guests", "", OF_USER)},
	{"sessions", BY_USER,
	ROWS_OF("sessions", "secret_hash,generation,purge_from", OF_USER " ORDER BY t.id")},
	{"authorization_codes", BY_USER,
	ROWS_OF("authorization_codes", "route,code_hash,code_challenge,nonce", OF_USER)},
	{"one_time_codes", BY_USER, ROWS_OF("one_time_codes", "code_hash", OF_USER)},
	{"address_codes", BY_LOGIN_IDS,
	ROWS_OF("address_codes", "route,code_hash,link_code_hash,flow,client_address", OF_ROUTES)},
	{"outbox", BY_USER_AND_LOGIN_IDS,
	ROWS_OF("outbox", "route,sealed_code", "t.route = :user_id OR " OF_ROUTES)},
	{"events", BY_USER, ROWS_OF("events", "", OF_USER " ORDER BY t.id")}
};

/* Append an array of the rows. */
static void
add_rows(StringInfo json, const char *name, const ExportRow *rows, int count)
{
	int			i;

	json_add_name(json, name);
	json_open_array(json);
	for (i = 0; i < count; i++)
		appendStringInfo(json, "%s%s", i > 0 ? "," : "", json_from_jsonb(rows[i].value));
	json_close_array(json);
}

static ExportRow *
read_rows(ExportedTable *table, const User *user, int *count)
{
	NamedParam	id = param_uuid("user_id", &user->id);
	NamedParam	routes = param_uuids("routes", table->key == BY_USER_AND_IDENTITIES ?
									 user->identity_routes :
									 table->key == BY_USER_AND_PASSKEYS ?
									 user->passkey_routes : user->login_id_routes);

	switch (table->key)
	{
		case BY_USER:
			return statement_fetch_all(&table->statement, PARAMS(id), count);
		case BY_LOGIN_IDS:
			return statement_fetch_all(&table->statement, PARAMS(routes), count);
		case BY_USER_AND_LOGIN_IDS:
		case BY_USER_AND_IDENTITIES:
		case BY_USER_AND_PASSKEYS:
			break;
	}
	return statement_fetch_all(&table->statement, PARAMS(id, routes), count);
}

void
user_export_add(StringInfo json, const User *user)
{
	ExportRow	row;
	ExportRow  *rows;
	int			count;
	int			i;

	if (statement_fetch(&users, PARAMS(param_uuid("user_id", &user->id)), &row))
		json_add_raw(json, "user", json_from_jsonb(row.value));
	for (i = 0; i < lengthof(exported_tables); i++)
	{
		rows = read_rows(&exported_tables[i], user, &count);
		add_rows(json, exported_tables[i].name, rows, count);
	}
}
