/*-------------------------------------------------------------------------
 *
 * citus.h
 *	  Rows spread over the nodes of a Citus cluster.
 *
 * Citus need not be installed.  Without it, or as long as anon_auth.distribute() has
 * not been called, the store works as if this folder did not exist.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CITUS_H
#define ANON_AUTH_CITUS_H

/* Called once when the library is loaded, before other hooks are installed. */
extern void citus_init(void);

#endif							/* ANON_AUTH_CITUS_H */
