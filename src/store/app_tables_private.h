/*-------------------------------------------------------------------------
 *
 * app_tables_private.h
 *	  What the files of app_tables.h share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_APP_TABLES_PRIVATE_H
#define ANON_AUTH_APP_TABLES_PRIVATE_H

#include "postgres.h"

#include "store/app_tables.h"
#include "store/statement.h"

/* Become a table's owner, and go back; an error needs no clean-up. */
extern void app_owner_enter(StoreOwnerScope *scope, Oid owner);
extern void app_owner_leave(StoreOwnerScope *scope);

#endif							/* ANON_AUTH_APP_TABLES_PRIVATE_H */
