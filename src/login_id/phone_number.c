/*-------------------------------------------------------------------------
 *
 * phone_number.c
 *	  Phone numbers as login IDs, in E.164 form.
 *
 * This checks characters, length and country calling code, but not whether the
 * national number is assigned.  Numbering plans change every month, and only a
 * code that is sent to a number proves anything about it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "login_id/phone_number.h"

#define MAX_CALLING_CODE_DIGITS	3

/*
 * Country calling codes in use, from the ITU's list of assigned E.164 codes.  No
 * code is a prefix of another one.
 */
static const int16 calling_codes[] = {
	1, 7,
	20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49,
	51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62, 63, 64, 65, 66,
	81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
	211, 212, 213, 216, 218, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229,
	230, 231, 232, 233, 234, 235, 236, 237, 238, 239,
	240, 241, 242, 243, 244, 245, 246, 247, 248, 249,
	250, 251, 252, 253, 254, 255, 256, 257, 258,
	260, 261, 262, 263, 264, 265, 266, 267, 268, 269, 290, 291, 297, 298, 299,
	350, 351, 352, 353, 354, 355, 356, 357, 358, 359,
	370, 371, 372, 373, 374, 375, 376, 377, 378,
	380, 381, 382, 383, 385, 386, 387, 389, 420, 421, 423,
	500, 501, 502, 503, 504, 505, 506, 507, 508, 509,
	590, 591, 592, 593, 594, 595, 596, 597, 598, 599,
	670, 672, 673, 674, 675, 676, 677, 678, 679,
	680, 681, 682, 683, 685, 686, 687, 688, 689, 690, 691, 692,
	800, 808, 850, 852, 853, 855, 856, 870, 878,
	880, 881, 882, 883, 886, 888,
	960, 961, 962, 963, 964, 965, 966, 967, 968,
	970, 971, 972, 973, 974, 975, 976, 977, 979,
	992, 993, 994, 995, 996, 998
};

/* The calling code that the digits begin with, or 0. */
static int
calling_code_of(const char *digits)
{
	int			code = 0;
	int			length;
	int			i;

	/* No code begins with 0, which a comparison of numbers would ignore. */
	if (digits[0] == '0')
		return 0;

	for (length = 0; length < MAX_CALLING_CODE_DIGITS; length++)
	{
		code = code * 10 + (digits[length] - '0');
		for (i = 0; i < lengthof(calling_codes); i++)
		{
			if (calling_codes[i] == code)
				return code;
		}
	}
	return 0;
}

static bool
calling_code_is_allowed(int code, const StringList *allowlist)
{
	char		digits[12];
	int			i;

	if (allowlist->count == 0)
		return true;

	snprintf(digits, sizeof(digits), "%d", code);
	for (i = 0; i < allowlist->count; i++)
	{
		const char *entry = allowlist->items[i];

		if (entry[0] == '+')
			entry++;
		if (strcmp(entry, digits) == 0)
			return true;
	}
	return false;
}

LoginIdReason
phone_number_normalise(const char *phone_number, const LoginIdPolicy *policy, char **value)
{
	char		digits[PHONE_NUMBER_MAX_LENGTH + 1];
	const char *c;
	int			ndigits = 0;
	int			code;

	Assert(strlen(phone_number) <= PHONE_NUMBER_MAX_LENGTH);

	if (phone_number[0] != '+')
		return LOGIN_ID_NO_CALLING_CODE;
	for (c = phone_number + 1; *c != '\0'; c++)
	{
		if (*c >= '0' && *c <= '9')
			digits[ndigits++] = *c;
		else if (*c != ' ' && *c != '-')
			return LOGIN_ID_NOT_DIGITS;
	}
	digits[ndigits] = '\0';

	if (ndigits < PHONE_NUMBER_MIN_DIGITS || ndigits > PHONE_NUMBER_MAX_DIGITS)
		return LOGIN_ID_NUMBER_OF_DIGITS;
	code = calling_code_of(digits);
	if (code == 0)
		return LOGIN_ID_CALLING_CODE_UNKNOWN;
	if (!calling_code_is_allowed(code, &policy->phone_country_code_allowlist))
		return LOGIN_ID_CALLING_CODE_NOT_ALLOWED;

	*value = psprintf("+%s", digits);
	return LOGIN_ID_ACCEPTED;
}
