/*-------------------------------------------------------------------------
 *
 * user_roles.h
 *	  The roles that the application gives to users, which tokens name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_USER_ROLES_H
#define ANON_AUTH_USER_ROLES_H

#include "postgres.h"

#include "base/string_list.h"

/*
 * Sort a list of roles, and drop repeated ones.  Raises 22023 for a name that is not a role's,
 * and for more than USER_ROLES_MAX of them.
 */
extern void user_roles_normalise(StringList *roles);

#endif							/* ANON_AUTH_USER_ROLES_H */
