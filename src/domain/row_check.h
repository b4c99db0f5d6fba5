/*-------------------------------------------------------------------------
 *
 * row_check.h
 *	  Errors that explain the constraints of settings and clients.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ROW_CHECK_H
#define ANON_AUTH_ROW_CHECK_H

#include "postgres.h"

#include "commands/trigger.h"

/*
 * Check the new row of a BEFORE INSERT OR UPDATE trigger FOR EACH ROW, before
 * PostgreSQL does: its own errors contain the whole row and no rule.  Evaluates
 * NOT NULL and then, in PostgreSQL's order, the constraints that the lists of columns
 * in src/store define.  PostgreSQL alone checks all other constraints.
 *
 * Raises 23502 with the name of a column that is NULL.  Raises 23514 for a CHECK: the
 * DETAIL has the values of the columns that the CHECK names, and the HINT its rule in
 * words.  A column that the current user neither sets nor can read is left out.
 */
extern void row_check(TriggerData *trigger);

#endif							/* ANON_AUTH_ROW_CHECK_H */
