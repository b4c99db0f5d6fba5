/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The differences between PostgreSQL 15, 16, 17 and 18 that matter here.
 *
 * Differences that matter to one file only are in that file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_COMPAT_H
#define ANON_AUTH_COMPAT_H

#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "storage/proc.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* pg_noreturn goes before a declaration, as [[noreturn]] of C23.  PostgreSQL 18 defines it. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn		pg_attribute_noreturn()
#endif

/* The number of the transaction within its backend moved into PGPROC.vxid in 17. */
#if PG_VERSION_NUM >= 170000
#define MyLocalTransactionId()	(MyProc->vxid.lxid)
#else
#define MyLocalTransactionId()	(MyProc->lxid)
#endif

/* In 16 and later, stringToQualifiedNameList() can report an error without raising it. */
#if PG_VERSION_NUM >= 160000
#define QualifiedNameList(name)	stringToQualifiedNameList((name), NULL)
#else
#define QualifiedNameList(name)	stringToQualifiedNameList(name)
#endif

/*
 * 16 and later have one function for all classes of objects.  The caller includes
 * utils/acl.h.
 */
#if PG_VERSION_NUM >= 160000
#define OwnsExtension(id, role)	object_ownercheck(ExtensionRelationId, (id), (role))
#else
#define OwnsExtension(id, role)	pg_extension_ownercheck((id), (role))
#endif

/* In 18 and later, a CHECK can be NOT ENFORCED.  The caller includes access/tupdesc.h. */
#if PG_VERSION_NUM >= 180000
#define ConstraintIsEnforced(check)	((check)->ccenforced)
#else
#define ConstraintIsEnforced(check)	((void) (check), true)
#endif

/*
 * Callbacks of the JSON parser return void in 15 and a status in later versions.
 * End each callback with JSON_ACTION_OK.
 */
#if PG_VERSION_NUM >= 160000
typedef JsonParseErrorType JsonActionResult;
#define JSON_ACTION_OK	return JSON_SUCCESS
#else
typedef void JsonActionResult;
#define JSON_ACTION_OK	return
#endif

/* The executor has this parameter up to 17. */
#if PG_VERSION_NUM >= 180000
#define EXECUTE_ONCE_PARAM
#define EXECUTE_ONCE_ARG
#else
#define EXECUTE_ONCE_PARAM	, bool execute_once
#define EXECUTE_ONCE_ARG	, execute_once
#endif

/* The lexer of the JSON parser has another parameter in 17 and later. */
#if PG_VERSION_NUM >= 170000
#define MakeJsonLexer(json, length) \
	makeJsonLexContextCstringLen(NULL, (json), (length), PG_UTF8, true)
#else
#define MakeJsonLexer(json, length) \
	makeJsonLexContextCstringLen((json), (length), PG_UTF8, true)
#endif

#endif							/* ANON_AUTH_COMPAT_H */
