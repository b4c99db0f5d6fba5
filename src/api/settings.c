/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  settings_changed(), the trigger of settings
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "commands/trigger.h"
#include "domain/hook.h"

/*
 * Hooks are looked up where a DBA names them.  A dump that is restored may
 * name one that is not there; it is missed when it is called.
 */
PG_FUNCTION_INFO_V1(anon_auth_settings_changed);
Datum
anon_auth_settings_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("settings_changed() is a trigger function")));
	settings_forget();
	if (TRIGGER_FIRED_BY_UPDATE(((TriggerData *) fcinfo->context)->tg_event))
		hooks_check();
	return PointerGetDatum(NULL);
}
