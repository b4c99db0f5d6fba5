/*-------------------------------------------------------------------------
 *
 * object_change.h
 *	  Whether a change of the catalog concerns objects of the extension.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_OBJECT_CHANGE_H
#define ANON_AUTH_OBJECT_CHANGE_H

#include "postgres.h"

#include "catalog/objectaccess.h"
#include "catalog/objectaddress.h"

/* What PostgreSQL tells an object access hook. */
typedef struct ObjectChange
{
	ObjectAccessType access;	/* OAT_POST_CREATE, OAT_POST_ALTER or OAT_DROP */
	ObjectAddress object;
	Oid			parent_id;		/* of pg_inherits: the parent table */
	bool		is_internal;	/* done by PostgreSQL itself, as CLUSTER and VACUUM FULL do */
	bool		is_reindex;		/* part of REINDEX */
} ObjectChange;

/*
 * Return whether the change concerns an object of the extension, and report which.  Raises
 * 42501 for a new foreign key to a table of the extension, except users.
 */
extern bool object_change_concerns_extension(const ObjectChange *change, ObjectAddress *changed);

/* Return the extension that has this object as a member, or is it; or InvalidOid. */
extern Oid	object_change_extension(Oid class_id, Oid id);

#endif							/* ANON_AUTH_OBJECT_CHANGE_H */
