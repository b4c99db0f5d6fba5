/*-------------------------------------------------------------------------
 *
 * promotion.h
 *	  A guest becomes a regular user, or part of one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PROMOTION_H
#define ANON_AUTH_PROMOTION_H

#include "postgres.h"

#include "domain/domain.h"
#include "store/app_tables.h"

/* ---- promotion (promotion.c) ---- */

/*
 * Whom a proof stood for, to be kept while the guest fills in a form.  What
 * keeps it sees to it that nobody else can make one.
 */
typedef struct GuestTicket
{
	pg_uuid_t	user_id;
	bool		by_session;		/* which must be alive still */
	pg_uuid_t	session_id;
} GuestTicket;

typedef struct PromotionRequest
{
	char	   *login_ids[LOGIN_ID_TYPES];	/* as given; NULL: not given */
	char	   *password;
	char	   *jwt;			/* exactly one of the four proofs */
	char	   *promotion_code;
	char	   *refresh_token;
	const GuestTicket *ticket;
} PromotionRequest;

extern char *promotion_code_create(const char *refresh_token, TimestampTz now,
								   TimestampTz *expires_at);

/* Same for a session that the caller has found alive. */
extern char *promotion_code_for_session(const Session *session, const User *user,
										TimestampTz now, TimestampTz *expires_at);

/*
 * Checks a proof (jwt or promotion_code of the request) and uses nothing up.
 * Raises what promotion_run() would.
 */
extern void promotion_ticket(const Client *client, const PromotionRequest *request,
							 TimestampTz now, GuestTicket *ticket);

/*
 * Promotes the guest that the proof stands for, or logs in to the account
 * that has the login ID where the settings say so.  user is who is logged in
 * now.  False: that account's password is wrong, which is an event.
 */
extern bool promotion_run(const Client *client, const PromotionRequest *request,
						  TimestampTz now, User *user);

/*
 * For a form that is sent twice: when the guest of the ticket has been
 * promoted to just these login IDs, or merged into the account that has them,
 * logs in with the password.  False when
 * that is wrong, which is an event.  Raises AA008 for other login IDs.
 */
extern bool promotion_repeat(const Client *client, const PromotionRequest *request,
							 TimestampTz now, User *user);

/* ---- merging (merge.c) ---- */

/*
 * Moves what a guest has in the application's tables to a user that the caller
 * has locked, and deletes the guest; session_id, if any, must be alive still.
 * False: the guest is none any more, or disabled, or the session has ended;
 * the caller must raise an error then.  Raises AA021 where a table refuses,
 * and what the hook raises.
 */
extern bool merge_guest(const char *client_id, const User *guest, const pg_uuid_t *session_id,
						const pg_uuid_t *user_id, const char *hook, TimestampTz now,
						AppTable **tables, int *count);

/*
 * Same for an administrator; with dry_run all is undone.  Raises 42704 and
 * 22023 where the two are not a guest and a regular user.
 */
extern void merge_by_admin(const pg_uuid_t *guest_id, const pg_uuid_t *user_id, bool dry_run,
						   TimestampTz now, AppTable **tables, int *count);

#endif							/* ANON_AUTH_PROMOTION_H */
