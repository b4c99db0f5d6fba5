/*-------------------------------------------------------------------------
 *
 * object_guard.h
 *	  Only superusers change the extension's objects.
 *
 * Superusers call functions of the extension and write to its tables.  The owner of
 * the objects is not a superuser, but could attach code to them that would run as the
 * superuser: another body of a function, a trigger, a rule, a default, the expression
 * of an index or of a statistics object, a child table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_OBJECT_GUARD_H
#define ANON_AUTH_OBJECT_GUARD_H

#include "postgres.h"

#include "nodes/nodes.h"

/*
 * Called once when the library is loaded.  From then on this backend refuses (42501),
 * unless the current user is a superuser:
 *
 *	- to alter or drop a member of the extension, or a part of its tables or types
 *	- to attach anything to its tables or types
 *	- to create a foreign key to its tables, except to users
 *	- to create anything but tables, indexes and sequences in its schemas
 *
 * GRANT, REVOKE, COMMENT, SECURITY LABEL, VACUUM, CLUSTER, REINDEX and publications
 * are allowed, and so are objects that only read the tables: views, functions, and
 * rules and policies of other tables.
 */
extern void object_guard_init(void);

/*
 * Called before a DDL command, by the event trigger.  The command that loads the
 * library has begun before the library could note the role that runs it.
 */
extern void object_guard_command_begins(Node *statement);

#endif							/* ANON_AUTH_OBJECT_GUARD_H */
