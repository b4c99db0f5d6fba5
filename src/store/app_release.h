/*-------------------------------------------------------------------------
 *
 * app_release.h
 *	  Rows of the application's tables whose users are deleted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_APP_RELEASE_H
#define ANON_AUTH_APP_RELEASE_H

#include "postgres.h"

#include "utils/array.h"

/*
 * Carry out the ON DELETE actions of foreign keys to users (uuid[]).
 *
 * The caller holds the users' rows and has called foreign_keys_hold().  Afterwards no
 * row references the users, whatever the transaction's snapshot.  Raises 23503 if a
 * key forbids the deletion or a trigger keeps rows back; 40001 if there are rows that
 * the transaction does not see; 55000 if triggers replace tables or foreign keys each
 * time; and as app_tables_find().
 */
extern void app_release_users(ArrayType *users);

#endif							/* ANON_AUTH_APP_RELEASE_H */
