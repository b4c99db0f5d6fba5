/*-------------------------------------------------------------------------
 *
 * password.h
 *	  Argon2id password hashes (RFC 9106), and how long they take.
 *
 * Memory, passes and concurrency are settings.password_hash_*.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSWORD_H
#define ANON_AUTH_PASSWORD_H

#include "postgres.h"

#include "portability/instr_time.h"
#include "store/settings.h"

/* Raise AA011 with every rule of the policy that a new password breaks. */
extern void password_check_policy(const char *password, const AccountPolicy *policy);

/*
 * Return the hash of a password, palloc'd.  Waits while
 * settings.password_hash_concurrency others hash.  Raises AA011 for a password
 * of more than PASSWORD_MAX_LENGTH bytes, 53200 without memory.
 */
extern char *password_make_hash(const char *password, const AccountPolicy *policy);

/* The result of password_check(). */
typedef struct PasswordMatch
{
	char	   *hash;			/* NULL: the password is wrong */
	char	   *new_hash;		/* to replace it: imported, or of another cost; or NULL */
} PasswordMatch;

/*
 * Return whether this is the user's password, and fill match.  user_id NULL
 * means that there is no such user: the answer is false after the same time.
 * Takes no lock, so that no lock is held while a hash is computed; the caller
 * locks the user afterwards and calls password_confirm().
 */
extern bool password_check(const pg_uuid_t *user_id, const char *password,
						   const AccountPolicy *policy, PasswordMatch *match);

/*
 * Return whether it still is, now that the user is locked: another transaction
 * may have set another password meanwhile.  If so, store match->new_hash.
 */
extern bool password_confirm(const pg_uuid_t *user_id, const char *password,
							 const AccountPolicy *policy, const PasswordMatch *match,
							 TimestampTz now);

/* Wait as long as a hash takes on this server at present, without the work. */
extern void password_wait(void);

/*
 * Wait until so many microseconds have passed since begin.  Used where the time
 * that a call takes must not tell what it found.  The wait can be cancelled.
 */
extern void password_wait_since(const instr_time *begin, int64 microseconds);

#endif							/* ANON_AUTH_PASSWORD_H */
