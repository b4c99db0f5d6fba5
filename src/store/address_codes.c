/*-------------------------------------------------------------------------
 *
 * address_codes.c
 *	  Statements on anon_auth.address_codes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/address_codes.h"
#include "store/statement.h"

RECORD_TYPE(code, AddressCode, ADDRESS_CODE_COLUMNS);
RECORD_TYPE(origin, AddressCodeOrigin, ADDRESS_CODE_ORIGIN_COLUMNS);

static Statement insert_code = {
	.sql = "INSERT INTO anon_auth.address_codes ({code}, client_address, flow)"
	" VALUES ({:code}, :client_address, :flow)"
};

static Statement find_codes = {
	.sql = "SELECT {code} FROM anon_auth.address_codes"
	" WHERE route = :route AND asker IS NOT DISTINCT FROM :asker AND expires_at > :now"
	" ORDER BY id",
	.row = &code_record
};

static Statement find_code = {
	.sql = "SELECT {code} FROM anon_auth.address_codes"
	" WHERE route = :route AND id = :id AND expires_at > :now",
	.row = &code_record
};

static Statement find_origin = {
	.sql = "SELECT {origin} FROM anon_auth.address_codes WHERE route = :route AND id = :id",
	.row = &origin_record
};

static Statement delete_code = {
	.sql = "DELETE FROM anon_auth.address_codes WHERE route = :route AND id = :id"
};

void
address_codes_insert(const AddressCode *code, inet *client_address, const char *flow)
{
	statement_run(&insert_code, PARAMS(param_record(&code_record, code),
									   param_inet("client_address", client_address),
									   param_text("flow", flow)));
}

AddressCode *
address_codes_find(const pg_uuid_t *route, const pg_uuid_t *asker, TimestampTz now, int *count)
{
	return statement_fetch_all(&find_codes,
							   PARAMS(param_uuid("route", route),
									  param_uuid("asker", asker),
									  param_timestamp("now", now)),
							   count);
}

bool
address_codes_find_one(const pg_uuid_t *route, const pg_uuid_t *id, TimestampTz now,
					   AddressCode *code)
{
	return statement_fetch(&find_code,
						   PARAMS(param_uuid("route", route),
								  param_uuid("id", id),
								  param_timestamp("now", now)),
						   code);
}

bool
address_codes_find_origin(const AddressCode *code, AddressCodeOrigin *origin)
{
	return statement_fetch(&find_origin,
						   PARAMS(param_uuid("route", &code->route),
								  param_uuid("id", &code->id)),
						   origin);
}

bool
address_codes_delete(const AddressCode *code)
{
	return statement_run(&delete_code, PARAMS(param_uuid("route", &code->route),
											  param_uuid("id", &code->id))) > 0;
}
