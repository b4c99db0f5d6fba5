/*-------------------------------------------------------------------------
 *
 * login_text.c
 *	  Normal forms and character classes of Unicode text, by ICU.
 *
 * The normalizers are singletons of ICU that callers never close.  This file opens no
 * other ICU object, so an error cannot leak one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

#include "base/wipe.h"
#include "login_id/login_text.h"

#define REPLACEMENT_CHARACTER	0xFFFD
#define ZERO_WIDTH_NON_JOINER	0x200C
#define ZERO_WIDTH_JOINER		0x200D

/* Maximum length in UTF-8 of one UTF-16 code unit. */
#define UTF8_BYTES_PER_UCHAR	3

typedef struct Utf16
{
	UChar	   *units;
	int32_t		length;
	size_t		size;			/* allocated bytes */
} Utf16;

static void
check_icu(UErrorCode status)
{
	if (U_FAILURE(status))
		elog(ERROR, "ICU could not normalise a text: %s", u_errorName(status));
}

static void
allocate_utf16(Utf16 *text, int32_t capacity)
{
	text->size = ((size_t) capacity + 1) * sizeof(UChar);
	text->units = palloc(text->size);
	text->length = 0;
}

/* Passwords pass through these functions, so buffers are wiped before they are freed. */
static void
wipe_and_free_utf16(Utf16 *text)
{
	wipe_bytes(text->units, text->size);
	pfree(text->units);
}

static void
utf16_from_utf8(Utf16 *result, const char *text)
{
	UErrorCode	status = U_ZERO_ERROR;
	int32_t		length = (int32_t) strlen(text);

	/*
	 * UTF-16 has at most as many code units as UTF-8 has bytes.  This also holds if U+FFFD
	 * replaces malformed bytes.
	 */
	allocate_utf16(result, length);
	u_strFromUTF8WithSub(result->units, length + 1, &result->length, text, length,
						 REPLACEMENT_CHARACTER, NULL, &status);
	check_icu(status);
}

static char *
utf8_from_utf16(const Utf16 *text)
{
	UErrorCode	status = U_ZERO_ERROR;
	size_t		capacity = (size_t) text->length * UTF8_BYTES_PER_UCHAR + 1;
	char	   *result = palloc(capacity);

	u_strToUTF8WithSub(result, (int32_t) capacity, NULL, text->units, text->length,
					   REPLACEMENT_CHARACTER, NULL, &status);
	check_icu(status);
	return result;
}

typedef const UNormalizer2 *(*GetNormalizer) (UErrorCode *status);

static void
normalise_utf16(Utf16 *result, const Utf16 *source, GetNormalizer get_normalizer)
{
	UErrorCode	status = U_ZERO_ERROR;
	const UNormalizer2 *normalizer = get_normalizer(&status);
	int32_t		length;

	check_icu(status);

	/* Get the length first: normalization can turn one code unit into up to eighteen. */
	length = unorm2_normalize(normalizer, source->units, source->length,
							  NULL, 0, &status);
	if (status != U_BUFFER_OVERFLOW_ERROR)
		check_icu(status);

	status = U_ZERO_ERROR;
	allocate_utf16(result, length);
	result->length = unorm2_normalize(normalizer, source->units, source->length,
									  result->units, length + 1, &status);
	check_icu(status);
}

/* Return the normal form of a text as UTF-8, and free the text. */
static char *
normalise_and_free_utf16(Utf16 *text, GetNormalizer get_normalizer)
{
	Utf16		normalised;
	char	   *result;

	normalise_utf16(&normalised, text, get_normalizer);
	wipe_and_free_utf16(text);
	result = utf8_from_utf16(&normalised);
	wipe_and_free_utf16(&normalised);
	return result;
}

char *
login_text_normalise(const char *text, bool fold_case)
{
	Utf16		source;

	utf16_from_utf8(&source, text);
	return normalise_and_free_utf16(&source, fold_case ? unorm2_getNFKCCasefoldInstance
									: unorm2_getNFKCInstance);
}

/* No character outside the basic plane is a space, so surrogates are not changed. */
char *
login_text_opaque(const char *text)
{
	Utf16		source;
	int32_t		i;

	utf16_from_utf8(&source, text);
	for (i = 0; i < source.length; i++)
	{
		if (u_charType(source.units[i]) == U_SPACE_SEPARATOR)
			source.units[i] = ' ';
	}
	return normalise_and_free_utf16(&source, unorm2_getNFCInstance);
}

static bool
is_plain_character(UChar32 c, bool allow_joiners)
{
	if (c < 0)
		return false;
	if (allow_joiners && (c == ZERO_WIDTH_NON_JOINER || c == ZERO_WIDTH_JOINER))
		return true;
	if (U_GET_GC_MASK(c) & (U_GC_C_MASK | U_GC_Z_MASK))
		return false;
	/* Fillers and variation selectors are invisible, although they are letters or marks. */
	return !u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}

bool
login_text_is_plain(const char *text, bool allow_joiners)
{
	int32_t		length = (int32_t) strlen(text);
	int32_t		i = 0;

	while (i < length)
	{
		UChar32		c;

		U8_NEXT(text, i, length, c);
		if (!is_plain_character(c, allow_joiners))
			return false;
	}
	return true;
}

bool
login_text_is_word(const char *text, const char *punctuation)
{
	int32_t		length = (int32_t) strlen(text);
	int32_t		i = 0;
	bool		mark_may_follow = false;

	while (i < length)
	{
		UChar32		c;
		uint32_t	category;

		U8_NEXT(text, i, length, c);
		if (c < 0)
			return false;
		category = U_GET_GC_MASK(c);
		if (category & (U_GC_L_MASK | U_GC_ND_MASK))
			mark_may_follow = true;
		else if (category & U_GC_M_MASK)
		{
			/* A mark on punctuation can look like a character that is not allowed. */
			if (!mark_may_follow)
				return false;
		}
		else if (c < 0x80 && strchr(punctuation, (int) c) != NULL)
			mark_may_follow = false;
		else
			return false;
	}
	return true;
}

/*
 * uscript_hasScript() uses script extensions.  So it refuses characters of script
 * "common" that are used with a few other scripts only, such as Arabic-Indic digits.
 */
bool
login_text_is_latin(const char *text)
{
	int32_t		length = (int32_t) strlen(text);
	int32_t		i = 0;

	while (i < length)
	{
		UChar32		c;

		U8_NEXT(text, i, length, c);
		if (c < 0)
			return false;
		if (!uscript_hasScript(c, USCRIPT_LATIN) &&
			!uscript_hasScript(c, USCRIPT_COMMON) &&
			!uscript_hasScript(c, USCRIPT_INHERITED))
			return false;
	}
	return true;
}

bool
login_text_has_keyword(const char *folded, const StringList *keywords)
{
	bool		found = false;
	int			i;

	for (i = 0; i < keywords->count && !found; i++)
	{
		char	   *keyword = login_text_normalise(keywords->items[i], true);

		/* Every text contains the empty string. */
		found = keyword[0] != '\0' && strstr(folded, keyword) != NULL;
		pfree(keyword);
	}
	return found;
}
