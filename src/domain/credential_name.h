/*-------------------------------------------------------------------------
 *
 * credential_name.h
 *	  The name that a user gives a passkey or a device key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CREDENTIAL_NAME_H
#define ANON_AUTH_CREDENTIAL_NAME_H

/*
 * Raise 22023 unless a name can be shown in a list: it has 1 to CREDENTIAL_NAME_MAX_LENGTH
 * characters, and none that shown_text_forbids().  NULL, no name, is allowed.  credential is
 * "passkey" or "device key".
 */
extern void credential_name_check(const char *name, const char *credential);

#endif							/* ANON_AUTH_CREDENTIAL_NAME_H */
