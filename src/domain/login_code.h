/*-------------------------------------------------------------------------
 *
 * login_code.h
 *	  Codes that prove an address, whether or not a user has it: for logins, sign-ups
 *	  and promotions.
 *
 * A code belongs to an address and to an asker.  The asker is the guest whose proof the
 * request had, the account that wants to add the address, or NULL.  Askers of the same address do not see each other's codes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_LOGIN_CODE_H
#define ANON_AUTH_LOGIN_CODE_H

#include "postgres.h"

#include "domain/one_time_code.h"
#include "login_id/login_id.h"
#include "store/address_codes.h"
#include "store/login_ids.h"
#include "store/outbox.h"

/*
 * Microseconds that a request for a code and a wrong code take at least, so that nobody
 * learns whether a code was requested; see password_reset.c.
 */
#define LOGIN_CODE_EVEN_USECS	10000

/* A code that login_code_matches() has found. */
typedef struct LoginCode
{
	AddressCode row;
} LoginCode;

/*
 * Return for how long an address and asker have LOGIN_CODES_MAX codes whose digits can be
 * tried, in microseconds; 0 if they can have another one.
 */
extern int64 login_code_time_without_room(const LoginId *address, const pg_uuid_t *asker,
										  TimestampTz now);

/*
 * Make a code and put a message of a type into the outbox.  Return when the code expires.
 * delivery->recipient is login_code_recipient().  Checks no limit.
 */
extern TimestampTz login_code_send(const LoginId *address, const pg_uuid_t *asker, MessageType type,
								   const CodeDelivery *delivery, TimestampTz now);

/*
 * Return where codes for an address are sent: to the spelling that its user has proven,
 * otherwise to the given one.
 */
extern const char *login_code_recipient(const LoginId *address);

/*
 * Return whether a text is a live code for an address and asker, and fill code: the six
 * digits, or the long code of the link.  Takes no lock and writes no row.  Wrong digits
 * count as an attempt at every live code of the address and asker.  Right ones do not
 * count, and use nothing up.  Raises AA018 beyond the wrong digits that one address can
 * have in a day; the long code still works then.
 *
 * The code proves code->row.recipient.  A caller that adds the address to a user stores
 * that spelling as original_value.  A caller that lets the code open a user's account
 * checks login_code_proves() for the user's login ID.
 */
extern bool login_code_matches(const LoginId *address, const pg_uuid_t *asker, const char *text,
							   TimestampTz now, LoginCode *code);

/* Return whether a text has the form of a long code. */
extern bool login_code_is_of_link(const char *text);

/* What the long code of a link tells a page that shows it. */
typedef struct LoginLink
{
	LoginId		address;
	AddressCode row;
	AddressCodeOrigin origin;
	bool		adds_address;	/* the asker is an account, which adds the address */
	char	   *digits;
} LoginLink;

/*
 * Return whether a text is the long code of a live code, of any asker, and fill link.
 * Counts an attempt if it is wrong, and uses nothing up.
 */
extern bool login_code_open_link(const char *text, TimestampTz now, LoginLink *link);

/*
 * Return whether the code was sent to the mailbox or phone of a login ID.  With settings
 * that equate spellings, such as email_ignore_dot_sign, the message may have gone to
 * another one.  For a login ID that is not verified, upper and lower case are the same:
 * nobody has proven another spelling, and few mailboxes differ in case only.
 */
extern bool login_code_proves(const LoginCode *code, const LoginIdRow *login_id);

/*
 * Use a code up, when everything else about the call is certain.  A rollback does not
 * undo that.  Return false if another transaction has used it up.  If the caller locks a
 * user's row, it does so before.
 */
extern bool login_code_use_up(const LoginCode *code);

/* Undo that, before an error with which the call has no effect. */
extern void login_code_give_back(const LoginCode *code);

#endif							/* ANON_AUTH_LOGIN_CODE_H */
