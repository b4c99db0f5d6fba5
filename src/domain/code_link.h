/*-------------------------------------------------------------------------
 *
 * code_link.h
 *	  The link in a message with a one-time code.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CODE_LINK_H
#define ANON_AUTH_CODE_LINK_H

#include "postgres.h"

#include "store/outbox.h"

/*
 * Fill in a template of settings.code_link_uri: {code}, {type}, {language} and
 * {client_id}, percent-encoded.  A value that the message does not have is empty.
 */
extern char *code_link_make(const char *uri_template, const OutboxMessage *message,
							const char *code);

#endif							/* ANON_AUTH_CODE_LINK_H */
