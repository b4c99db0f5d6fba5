/*-------------------------------------------------------------------------
 *
 * http_json_body.h
 *	  JSON bodies of /api and /oauth2/challenge, and the list of everything that
 *	  is wrong with one (docs/authgear.md, 1.1 and 2.5).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_JSON_BODY_H
#define ANON_AUTH_HTTP_JSON_BODY_H

#include "postgres.h"

#include "http/http_response.h"
#include "utils/jsonb.h"

/* The type of a member's value. */
typedef enum HttpMemberType
{
	MEMBER_STRING,
	MEMBER_BOOLEAN,
	MEMBER_OBJECT
} HttpMemberType;

/* A member that a body may have. */
typedef struct HttpMember
{
	const char *name;
	bool		required;
	HttpMemberType type;
	const char *const *values;	/* the allowed strings, NULL-terminated; NULL: any */
} HttpMember;

/*
 * Return the body, which must be one JSON object with these members only.  Return
 * NULL if it is not; the response then says everything that is wrong with it.
 */
extern Jsonb *http_json_body(const HttpRequest *request, const HttpMember *members, int count,
							 HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_JSON_BODY_H */
