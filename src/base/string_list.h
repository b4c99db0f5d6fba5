/*-------------------------------------------------------------------------
 *
 * string_list.h
 *	  A list of strings, such as the elements of a text[] column.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_STRING_LIST_H
#define ANON_AUTH_STRING_LIST_H

#include "postgres.h"

/* count strings, each terminated by NUL and never NULL. */
typedef struct StringList
{
	int			count;
	char	  **items;
} StringList;

/* True if the list has an element that equals string byte by byte. */
static inline bool
string_list_contains(const StringList *list, const char *string)
{
	int			i;

	for (i = 0; i < list->count; i++)
		if (strcmp(list->items[i], string) == 0)
			return true;
	return false;
}

#endif							/* ANON_AUTH_STRING_LIST_H */
