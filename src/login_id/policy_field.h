/*-------------------------------------------------------------------------
 *
 * policy_field.h
 *	  A field of LoginIdPolicy and PasswordPolicy, from a list of columns.
 *
 * src/store/settings.list has the columns; their kinds are those of
 * src/store/record.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_POLICY_FIELD_H
#define ANON_AUTH_POLICY_FIELD_H

#include "postgres.h"

#include "base/string_list.h"
#include "generated/settings_columns.h"

#define POLICY_FIELD(kind, name)	POLICY_FIELD_##kind(name);

#define POLICY_FIELD_BOOL(name)		bool name
#define POLICY_FIELD_INT4(name)		int32 name
#define POLICY_FIELD_TEXT_LIST(name)	StringList name

#endif							/* ANON_AUTH_POLICY_FIELD_H */
