/*-------------------------------------------------------------------------
 *
 * profile_value.c
 *	  The standard claims of OpenID Connect (Core, section 5.1) that users write into
 *	  their profile, and the rules for their values.
 *
 * The rules keep out values that other programs cannot read, and those with which a
 * user could attack the readers: other URIs than https, and characters that change how
 * the text around them is shown.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unicode/ucal.h>
#include <unicode/utf8.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "domain/message_language.h"
#include "domain/profile_value.h"
#include "mb/pg_wchar.h"
#include "uri/uri.h"
#include "utils/datetime.h"

/* Longer than every name of the time zone database. */
#define TIME_ZONE_LENGTH	64

static const ProfileClaim profile_claims[] = {
	{"name", PROFILE_TEXT},
	{"given_name", PROFILE_TEXT},
	{"family_name", PROFILE_TEXT},
	{"middle_name", PROFILE_TEXT},
	{"nickname", PROFILE_TEXT},
	{"profile", PROFILE_URI},
	{"picture", PROFILE_URI},
	{"website", PROFILE_URI},
	{"gender", PROFILE_TEXT},
	{"birthdate", PROFILE_BIRTHDATE},
	{"zoneinfo", PROFILE_TIME_ZONE},
	{"locale", PROFILE_LANGUAGE},
	{"address", PROFILE_ADDRESS}
};

static const char *const address_members[] = {
	"formatted", "street_address", "locality", "region", "postal_code", "country"
};

const ProfileClaim *
profile_value_claim(const char *name)
{
	int			i;

	for (i = 0; i < lengthof(profile_claims); i++)
		if (strcmp(profile_claims[i].name, name) == 0)
			return &profile_claims[i];
	return NULL;
}

const char *
profile_value_address_member(int i)
{
	return i < lengthof(address_members) ? address_members[i] : NULL;
}

/* Set *reason unless a text is one of at most max_length characters that can be shown. */
static bool
is_shown(const char *text, int max_length, bool with_lines, ProfileReason *reason)
{
	int32_t		length = (int32_t) strlen(text);
	int32_t		i = 0;
	int			characters = 0;

	while (i < length)
	{
		UChar32		c;

		U8_NEXT(text, i, length, c);
		if (++characters > max_length)
		{
			*reason = PROFILE_TOO_LONG;
			return false;
		}
		if (shown_text_forbids(c) && !(with_lines && (c == '\n' || c == '\r')))
		{
			*reason = PROFILE_CONTROL_CHARACTER;
			return false;
		}
	}
	return true;
}

/* Return the form of an https URI that browsers send, or NULL. */
static char *
normal_uri(const char *text)
{
	char		normal[URI_NORMAL_SIZE];
	char		unused[URI_NORMAL_SIZE];

	if (strlen(text) > URI_MAX_LENGTH)
		return NULL;
	if (uri_check(URI_LINK, text, normal) == NULL)
		memcpy(normal, text, strlen(text) + 1);	/* checked above */
	if (strncmp(normal, "https://", 8) != 0 || uri_check(URI_LINK, normal, unused) != NULL)
		return NULL;
	return pstrdup(normal);
}

/* Read count digits, and return -1 if there are others characters. */
static int
read_digits(const char *text, int count)
{
	int			value = 0;
	int			i;

	for (i = 0; i < count; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = 10 * value + text[i] - '0';
	}
	return value;
}

/*
 * Return whether a text is a birthdate: YYYY-MM-DD, YYYY, or 0000-MM-DD for a person who
 * does not tell the year.
 */
static bool
check_birthdate(const char *text, TimestampTz now, ProfileReason *reason)
{
	size_t		length = strlen(text);
	int			year = length == 4 || length == 10 ? read_digits(text, 4) : -1;
	int			month = 1;
	int			day = 1;
	int			today = (int) (now / USECS_PER_DAY) + POSTGRES_EPOCH_JDATE;

	*reason = PROFILE_NO_DATE;
	if (year < 0 || (length == 4 && year == 0))
		return false;
	if (length == 10)
	{
		if (text[4] != '-' || text[7] != '-')
			return false;
		month = read_digits(text + 5, 2);
		day = read_digits(text + 8, 2);
		if (month < 1 || month > MONTHS_PER_YEAR || day < 1 ||
			day > day_tab[isleap(year)][month - 1])
			return false;
	}
	*reason = PROFILE_FUTURE_DATE;
	/* The date may be a day ahead of UTC where the user is. */
	return year == 0 || date2j(year, month, day) <= today + 1;
}

/*
 * Return whether a text is the name of an area and location of the time zone database, or
 * UTC.  Abbreviations such as PST and offsets such as GMT+1 are not.
 */
static bool
is_time_zone(const char *text)
{
	UChar		name[TIME_ZONE_LENGTH];
	UChar		canonical[TIME_ZONE_LENGTH];
	UBool		is_system = false;
	UErrorCode	status = U_ZERO_ERROR;
	int			length;

	if (strcmp(text, "UTC") == 0)
		return true;
	if (strchr(text, '/') == NULL || strlen(text) >= TIME_ZONE_LENGTH)
		return false;
	for (length = 0; text[length] != '\0'; length++)
		name[length] = (unsigned char) text[length];
	ucal_getCanonicalTimeZoneID(name, length, canonical, TIME_ZONE_LENGTH, &is_system, &status);
	return U_SUCCESS(status) && is_system;
}

bool
profile_value_check(const ProfileClaim *claim, const char *text, TimestampTz now,
					char **stored, ProfileReason *reason)
{
	*stored = text[0] == '\0' ? NULL : pstrdup(text);
	if (*stored == NULL)
		return true;
	switch (claim->kind)
	{
		case PROFILE_URI:
			*reason = PROFILE_NO_URI;
			*stored = normal_uri(text);
			return *stored != NULL;
		case PROFILE_BIRTHDATE:
			return check_birthdate(text, now, reason);
		case PROFILE_TIME_ZONE:
			*reason = PROFILE_NO_TIME_ZONE;
			return is_time_zone(text);
		case PROFILE_LANGUAGE:
			*reason = PROFILE_NO_LANGUAGE;
			*stored = message_language_tag(text);
			return *stored != NULL;
		case PROFILE_ADDRESS:
			*reason = PROFILE_NO_ADDRESS;
			return false;
		case PROFILE_TEXT:
			break;
	}
	return is_shown(text, PROFILE_TEXT_MAX_LENGTH, false, reason);
}

bool
profile_value_check_address(const char *member, const char *text, char **stored,
							ProfileReason *reason)
{
	bool		with_lines = strcmp(member, "formatted") == 0 || strcmp(member, "street_address") == 0;

	*stored = text[0] == '\0' ? NULL : pstrdup(text);
	return is_shown(text, PROFILE_TEXT_MAX_LENGTH, with_lines, reason);
}
