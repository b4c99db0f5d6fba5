/*-------------------------------------------------------------------------
 *
 * run_as_owner.h
 *	  Running a part of an SQL function as the extension's owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_RUN_AS_OWNER_H
#define ANON_AUTH_RUN_AS_OWNER_H

#include "postgres.h"

/*
 * Run an action as the extension's owner.  For SQL functions that cannot be SECURITY
 * DEFINER because they set the role of their caller.  If the action raises an
 * error, the abort of the transaction or subtransaction restores the role.
 */
extern void run_as_owner(void (*action) (void *arg), void *arg);

#endif							/* ANON_AUTH_RUN_AS_OWNER_H */
