/*-------------------------------------------------------------------------
 *
 * auth_methods.c
 *	  The claim amr: how a user authenticated (RFC 8176).
 *
 * "pop" (proof of possession of a key) is in IANA's registry of methods.  "swk" and "hwk"
 * would say where the device keeps its key, which the server does not know.  "user" is the
 * test of the user's presence that every passkey makes.  "mfa" is added if the authenticator
 * has also verified the user, by something that the user knows or is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/auth_methods.h"

static char *device_key_items[] = {"pop"};
static char *password_items[] = {"pwd"};
static char *code_items[] = {"otp", "sms"};
static char *passkey_items[] = {"pop", "user", "mfa"};

const StringList auth_methods_none = {0, NULL};
const StringList auth_methods_device_key = {1, device_key_items};
const StringList auth_methods_password = {1, password_items};
const StringList auth_methods_email_code = {1, code_items};
const StringList auth_methods_sms_code = {2, code_items};
const StringList auth_methods_passkey = {2, passkey_items};
const StringList auth_methods_verified_passkey = {3, passkey_items};
