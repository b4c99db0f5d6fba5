/*-------------------------------------------------------------------------
 *
 * auth_methods.h
 *	  The claim amr: how a user authenticated (RFC 8176).
 *
 * A session keeps the methods of its login.  They only say what this server has
 * checked: an ID token of another provider adds none, because that provider may
 * have checked anything.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_AUTH_METHODS_H
#define ANON_AUTH_AUTH_METHODS_H

#include "postgres.h"

#include "base/string_list.h"

/* Lists of constants: never free or change them. */
extern const StringList auth_methods_none;	/* a guest without a key, or an ID token */
extern const StringList auth_methods_device_key;	/* pop */
extern const StringList auth_methods_password;	/* pwd */
extern const StringList auth_methods_email_code;	/* otp */
extern const StringList auth_methods_sms_code;	/* otp, sms */
extern const StringList auth_methods_passkey;	/* pop, user */
extern const StringList auth_methods_verified_passkey;	/* pop, user, mfa */

#endif							/* ANON_AUTH_AUTH_METHODS_H */
