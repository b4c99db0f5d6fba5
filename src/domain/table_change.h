/*-------------------------------------------------------------------------
 *
 * table_change.h
 *	  What follows a change of settings, clients or signing keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_TABLE_CHANGE_H
#define ANON_AUTH_TABLE_CHANGE_H

#include "postgres.h"

#include "commands/trigger.h"

/*
 * To be called by a trigger after each written row, and after TRUNCATE: all backends then
 * read the table again (store/cached_table.h).
 */
extern void table_changed(const TriggerData *trigger);

#endif							/* ANON_AUTH_TABLE_CHANGE_H */
