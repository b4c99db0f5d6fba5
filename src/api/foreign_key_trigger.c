/*-------------------------------------------------------------------------
 *
 * foreign_key_trigger.c
 *	  check_foreign_keys(), which an event trigger calls before DDL
 *
 * To call it is to load the library, whose hook checks each foreign key when it is
 * created: see foreign_keys_init().  An event trigger at ddl_command_end would be too
 * late: by then PostgreSQL has checked the table's rows, and has run casts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "commands/event_trigger.h"

PG_FUNCTION_INFO_V1(anon_auth_check_foreign_keys);
Datum
anon_auth_check_foreign_keys(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("check_foreign_keys() must be called by an event trigger")));
	PG_RETURN_NULL();
}
