/*-------------------------------------------------------------------------
 *
 * page_sign_up.h
 *	  What the forms of promotion.h do for somebody who was no guest.
 *
 * The functions have the type of those of promotion.h.  They ignore the proof.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PAGE_SIGN_UP_H
#define ANON_AUTH_PAGE_SIGN_UP_H

#include "postgres.h"

#include "domain/promotion.h"

/* Make an account: sign_up_make_account(). */
extern bool page_sign_up_create(const Client *client, const PromotionRequest *request,
								TimestampTz now, PromotionResult *result);

/*
 * Log in to the account that has the login ID, with its password or a code: login_verify(),
 * code_login_verify().
 */
extern bool page_sign_up_log_in(const Client *client, const PromotionRequest *request,
								TimestampTz now, PromotionResult *result);

#endif							/* ANON_AUTH_PAGE_SIGN_UP_H */
