/*-------------------------------------------------------------------------
 *
 * user_export.h
 *	  Everything that the extension's tables have about one user, without secrets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_USER_EXPORT_H
#define ANON_AUTH_USER_EXPORT_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "store/users.h"

/*
 * Append a member to a JSON object for each table with rows of users: an array of rows, named
 * as the table, and "user".  Hashes, encrypted values and columns that only find rows are
 * left out.
 */
extern void user_export_add(StringInfo json, const User *user);

#endif							/* ANON_AUTH_USER_EXPORT_H */
