/*-------------------------------------------------------------------------
 *
 * auth_methods.c
 *	  The claim amr: how a user authenticated (RFC 8176).
 *
 * "pop" (proof of possession of a key) is in IANA's registry of methods.  "swk" and "hwk"
 * would say where the device keeps its key, which the server does not know.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/auth_methods.h"

static char *device_key_items[] = {"pop"};
static char *password_items[] = {"pwd"};
static char *code_items[] = {"otp", "sms"};

const StringList auth_methods_none = {0, NULL};
const StringList auth_methods_device_key = {1, device_key_items};
const StringList auth_methods_password = {1, password_items};
const StringList auth_methods_email_code = {1, code_items};
const StringList auth_methods_sms_code = {2, code_items};
