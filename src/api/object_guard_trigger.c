/*-------------------------------------------------------------------------
 *
 * object_guard_trigger.c
 *	  guard_objects(), which an event trigger calls before DDL
 *
 * The call loads the library, whose hook checks each object when it is created,
 * altered or dropped: see object_guard.h and foreign_keys_init().  An event trigger
 * at ddl_command_end would be too late: by then PostgreSQL has checked the rows of
 * a table, which runs casts, and CREATE INDEX CONCURRENTLY has committed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "commands/event_trigger.h"
#include "store/object_guard.h"

PG_FUNCTION_INFO_V1(anon_auth_guard_objects);
Datum
anon_auth_guard_objects(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("guard_objects() must be called by an event trigger")));
	object_guard_command_begins(((EventTriggerData *) fcinfo->context)->parsetree);
	PG_RETURN_NULL();
}
