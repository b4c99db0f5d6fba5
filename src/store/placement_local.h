/*-------------------------------------------------------------------------
 *
 * placement_local.h
 *	  The operations of placement.h where this database has all rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PLACEMENT_LOCAL_H
#define ANON_AUTH_PLACEMENT_LOCAL_H

/* Called once when the library is loaded, before the first statement. */
extern void placement_local_init(void);

#endif							/* ANON_AUTH_PLACEMENT_LOCAL_H */
