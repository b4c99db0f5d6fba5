/*-------------------------------------------------------------------------
 *
 * table_change.c
 *	  What follows a change of settings, clients or signing keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/table_change.h"
#include "store/cached_table.h"

void
table_changed(const TriggerData *trigger)
{
	cached_table_changed(trigger->tg_relation);
}
