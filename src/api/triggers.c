/*-------------------------------------------------------------------------
 *
 * triggers.c
 *	  The triggers on settings, clients and signing keys, and the event trigger that guards objects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "domain/hook.h"
#include "domain/object_guard.h"
#include "domain/row_check.h"
#include "domain/table_change.h"

/*
 * The trigger on settings: this backend reads the row again within the same
 * statement, and an UPDATE checks that the hooks exist.  An INSERT does not:
 * pg_restore fills the table before it creates the application's functions.  A call
 * then reports a missing hook.
 */
PG_FUNCTION_INFO_V1(anon_auth_settings_changed);
Datum
anon_auth_settings_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("settings_changed() is a trigger function")));
	hook_settings_changed(TRIGGER_FIRED_BY_UPDATE(((TriggerData *) fcinfo->context)->tg_event));
	return PointerGetDatum(NULL);
}

/* The trigger on the tables of which backends keep rows: see table_change.h. */
PG_FUNCTION_INFO_V1(anon_auth_table_changed);
Datum
anon_auth_table_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("table_changed() is a trigger function")));
	table_changed((TriggerData *) fcinfo->context);
	return PointerGetDatum(NULL);
}

/* The trigger on settings and clients: see row_check.h. */
PG_FUNCTION_INFO_V1(anon_auth_explain_constraints);
Datum
anon_auth_explain_constraints(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("explain_constraints() must be called by a trigger BEFORE INSERT OR UPDATE FOR EACH ROW")));
	row_check(trigger);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
						   trigger->tg_newtuple : trigger->tg_trigtuple);
}

/*
 * The event trigger at ddl_command_start.  The call loads the library, whose object
 * access hook then checks each object when it is created, altered or dropped: see
 * object_guard.h and foreign_keys_init().  An event trigger at ddl_command_end would
 * be too late: by then PostgreSQL has checked the rows of a table, which runs casts,
 * and CREATE INDEX CONCURRENTLY has committed.
 */
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
