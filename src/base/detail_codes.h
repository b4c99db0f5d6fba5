/*-------------------------------------------------------------------------
 *
 * detail_codes.h
 *	  The codes in the DETAIL of errors that programs read (json/raise_json.h).
 *
 * A code is part of the API and never changes its meaning.  New codes may be added.
 * script/errors makes tables of docs/guide.md from these lists.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DETAIL_CODES_H
#define ANON_AUTH_DETAIL_CODES_H

#include "base/limits.h"

/*
 * AA010, "reason": the rules that a login ID can break.  A row has the name in C, the
 * code, and a clause.  In a clause, %s is the noun of the type ("email address") and
 * %d its maximum length.
 */
#define LOGIN_ID_REASONS(REASON_ROW) \
	REASON_ROW(TYPE_NOT_ALLOWED, "type_not_allowed", \
			   "the %s is of a type that settings.login_id_types does not allow") \
	REASON_ROW(NOT_PROVEN, "verification_required", \
			   "the %s must be proven with a code, because settings.login_id_verification is required") \
	REASON_ROW(TOO_MANY, "too_many", \
			   "the account has " CppAsString2(LOGIN_IDS_PER_TYPE) " login IDs of this type already") \
	REASON_ROW(EMPTY, "empty", "the %s is empty") \
	REASON_ROW(NO_ADDRESS, "no_address", \
			   "the %s is no email address or phone number, so that no code can be sent to it") \
	REASON_ROW(TOO_LONG, "too_long", "the %s is longer than %d bytes") \
	REASON_ROW(NO_AT_SIGN, "no_at_sign", "the email address has no \"@\"") \
	REASON_ROW(LOCAL_PART_EMPTY, "local_part_empty", \
			   "the local part of the email address is empty") \
	REASON_ROW(LOCAL_PART_TOO_LONG, "local_part_too_long", \
			   "the local part of the email address is longer than " \
			   CppAsString2(EMAIL_LOCAL_PART_MAX_LENGTH) " bytes") \
	REASON_ROW(LOCAL_PART_INVISIBLE, "local_part_invisible_character", \
			   "the local part of the email address contains white space, a control or an invisible character") \
	REASON_ROW(LOCAL_PART_CHARACTER, "local_part_invalid_character", \
			   "the local part of the email address contains a character that is not allowed") \
	REASON_ROW(LOCAL_PART_DOTS, "local_part_misplaced_dot", \
			   "the local part of the email address begins or ends with a dot or contains two in a row") \
	REASON_ROW(PLUS_SIGN, "plus_sign_not_allowed", "the email address contains a plus sign") \
	REASON_ROW(DOMAIN_EMPTY, "domain_empty", "the domain of the email address is empty") \
	REASON_ROW(DOMAIN_IP_ADDRESS, "domain_is_ip_address", \
			   "the domain of the email address is not a name but an IP address") \
	REASON_ROW(DOMAIN_INVISIBLE, "domain_invisible_character", \
			   "the domain of the email address contains white space, a control or an invisible character") \
	REASON_ROW(DOMAIN_INVALID, "domain_invalid", \
			   "the domain of the email address is not a valid domain name") \
	REASON_ROW(DOMAIN_SINGLE_LABEL, "domain_single_label", \
			   "the domain of the email address has only one label") \
	REASON_ROW(DOMAIN_BLOCKED, "domain_blocked", "the domain of the email address is blocked") \
	REASON_ROW(DOMAIN_NOT_ALLOWED, "domain_not_allowed", \
			   "the domain of the email address is not on the list of allowed domains") \
	REASON_ROW(NO_CALLING_CODE, "no_calling_code", \
			   "the phone number does not begin with \"+\" and a country calling code") \
	REASON_ROW(NOT_DIGITS, "not_digits", \
			   "the phone number contains something other than digits, spaces and hyphens") \
	REASON_ROW(NUMBER_OF_DIGITS, "wrong_number_of_digits", \
			   "the phone number does not have " CppAsString2(PHONE_NUMBER_MIN_DIGITS) " to " \
			   CppAsString2(PHONE_NUMBER_MAX_DIGITS) " digits") \
	REASON_ROW(CALLING_CODE_UNKNOWN, "unknown_calling_code", \
			   "the phone number does not begin with an assigned country calling code") \
	REASON_ROW(CALLING_CODE_NOT_ALLOWED, "calling_code_not_allowed", \
			   "the country calling code of the phone number is not allowed") \
	REASON_ROW(NOT_ASCII, "not_ascii", \
			   "the username contains something other than ASCII letters, digits, \"_\", \".\" and \"-\"") \
	REASON_ROW(INVISIBLE, "invisible_character", \
			   "the username contains white space, a control or an invisible character") \
	REASON_ROW(CHARACTER, "invalid_character", \
			   "the username contains something other than letters, digits, \"_\", \".\" and \"-\"") \
	REASON_ROW(CONFUSABLE, "confusable_characters", \
			   "the username contains confusable characters") \
	REASON_ROW(RESERVED, "reserved", "the username is reserved") \
	REASON_ROW(EXCLUDED_KEYWORD, "excluded_keyword", \
			   "the username contains a word that is not allowed")

/*
 * AA011, "reason" of each member of "reasons": the rules that a password can break.  A
 * row has the name in C, the code, the name of the member with a number or NULL, and a
 * clause.  In a clause, %d is the number and %s the plural's "s".
 */
#define PASSWORD_REASONS(REASON_ROW) \
	REASON_ROW(TOO_LONG, "too_long", "max_bytes", "must be at most %d byte%s long") \
	REASON_ROW(TOO_SHORT, "too_short", "min_length", "must be at least %d character%s long") \
	REASON_ROW(UPPERCASE_REQUIRED, "uppercase_required", NULL, \
			   "must contain an uppercase letter") \
	REASON_ROW(LOWERCASE_REQUIRED, "lowercase_required", NULL, \
			   "must contain a lowercase letter") \
	REASON_ROW(ALPHABET_REQUIRED, "alphabet_required", NULL, "must contain a letter") \
	REASON_ROW(DIGIT_REQUIRED, "digit_required", NULL, "must contain a digit") \
	REASON_ROW(SYMBOL_REQUIRED, "symbol_required", NULL, "must contain a symbol") \
	REASON_ROW(EXCLUDED_KEYWORD, "excluded_keyword", NULL, \
			   "must not contain an excluded keyword")

/*
 * AA018, "limit": the limits that can refuse a call.  A row has the code and the
 * calls that it limits.  The code of a limit that can be set is the name of the setting.
 */
#define RATE_LIMIT_CODES(LIMIT_ROW) \
	LIMIT_ROW(guest_sign_ups_per_minute, "sign-ups of guests") \
	LIMIT_ROW(guest_sign_ups_per_minute_per_ip, "sign-ups of guests from one address") \
	LIMIT_ROW(device_key_logins_per_minute, "logins with one device key or passkey") \
	LIMIT_ROW(password_attempts_per_minute_per_ip, \
			  "attempts at passwords and codes, and look-ups of login IDs, from one address") \
	LIMIT_ROW(password_attempts_per_minute_per_user, "attempts at the password of one user") \
	LIMIT_ROW(password_attempts_per_minute_per_user_per_ip, \
			  "attempts at the password of one user from one address") \
	LIMIT_ROW(login_id_conflicts_per_minute_per_ip, \
			  "promotions with login IDs of other users from one address") \
	LIMIT_ROW(codes_per_minute, "codes sent to one address") \
	LIMIT_ROW(codes_per_hour, "codes sent to one address") \
	LIMIT_ROW(code_guesses_per_day, "attempts at the codes of one address") \
	LIMIT_ROW(claims_per_minute, "claims of guests by one account") \
	LIMIT_ROW(counter_cells, \
			  "counters on this server: there is no room for another one (parameter anon_auth.counter_cells)") \
	LIMIT_ROW(code_requests_per_minute_per_ip, "requests for codes from one address") \
	LIMIT_ROW(code_requests_per_hour, "requests for codes") \
	LIMIT_ROW(sms_requests_per_hour, "requests for codes to phone numbers") \
	LIMIT_ROW(codes_per_hour_per_guest, "codes sent for one guest or account") \
	LIMIT_ROW(unused_codes, "login codes of one address that can be used at the same time")

#define RATE_LIMIT_CODE_NUMBER(code, what) RATE_LIMIT_##code,

typedef enum RateLimitCode
{
	RATE_LIMIT_CODES(RATE_LIMIT_CODE_NUMBER)
} RateLimitCode;

/*
 * AA029, "reason": why a response for a passkey is refused.  A row has the name in C, the
 * code, and a clause.
 */
#define PASSKEY_REASONS(REASON_ROW) \
	REASON_ROW(MALFORMED, "malformed", \
			   "the response does not have the form that WebAuthn prescribes") \
	REASON_ROW(TYPE, "type", \
			   "it is the response to create() where one to get() was expected, or the reverse") \
	REASON_ROW(CHALLENGE, "challenge", \
			   "the challenge has expired, was used before, or was issued for another purpose, user or database") \
	REASON_ROW(ORIGIN, "origin", "the page that asked is none of settings.passkey_origins") \
	REASON_ROW(CROSS_ORIGIN, "cross_origin", "the page that asked was shown in a frame of another site") \
	REASON_ROW(RP_ID, "rp_id", "the passkey is for another domain than settings.passkey_rp_id") \
	REASON_ROW(USER_PRESENCE, "user_presence", "the authenticator did not see the user") \
	REASON_ROW(USER_VERIFICATION, "user_verification", \
			   "the authenticator did not verify the user, which settings.passkey_user_verification requires") \
	REASON_ROW(USER_HANDLE, "user_handle", "the user handle is missing, or is that of another user") \
	REASON_ROW(ALGORITHM, "algorithm", "the key is not for ES256, EdDSA or RS256") \
	REASON_ROW(KEY, "key", "the key is malformed or too weak") \
	REASON_ROW(SIGNATURE, "signature", "the signature is not that of the passkey") \
	REASON_ROW(BACKUP, "backup", "the backup flags contradict each other or the passkey") \
	REASON_ROW(NOT_RESIDENT, "not_discoverable", "the authenticator does not keep the passkey") \
	REASON_ROW(UNKNOWN, "unknown_credential", "no user has the passkey: it may have been removed") \
	REASON_ROW(EXISTS, "credential_exists", "a user has the passkey already") \
	REASON_ROW(TOO_MANY, "too_many", \
			   "the user has " CppAsString2(PASSKEYS_MAX) " passkeys already") \
	REASON_ROW(OWN, "own_passkey", "the passkey is that of the guest, and so proves no account")

#define PASSKEY_REASON_NUMBER(name, code, clause) PASSKEY_##name,

typedef enum PasskeyReason
{
	PASSKEY_REASONS(PASSKEY_REASON_NUMBER)
} PasskeyReason;

/*
 * AA030, "reason": whether an account has the address or identity that the caller has
 * proven.  A row has the name in C, the code, and a clause.
 */
#define PROVEN_ACCOUNT_REASONS(REASON_ROW) \
	REASON_ROW(NO_ACCOUNT, "no_account", "no account has it") \
	REASON_ROW(ACCOUNT_EXISTS, "account_exists", "an account has it")

#define PROVEN_ACCOUNT_NUMBER(name, code, clause) PROVEN_##name,

typedef enum ProvenAccountReason
{
	PROVEN_ACCOUNT_REASONS(PROVEN_ACCOUNT_NUMBER)
} ProvenAccountReason;

/*
 * AA032, "reason" of each member of "reasons": the rules that the value of a member of a
 * profile can break.  A row has the name in C, the code, and a clause.
 */
#define PROFILE_REASONS(REASON_ROW) \
	REASON_ROW(NO_TEXT, "not_a_string", "must be a string") \
	REASON_ROW(TOO_LONG, "too_long", \
			   "must be at most " CppAsString2(PROFILE_TEXT_MAX_LENGTH) " characters long") \
	REASON_ROW(CONTROL_CHARACTER, "control_character", \
			   "must not contain control characters, or line breaks where one line is expected") \
	REASON_ROW(NO_URI, "not_an_https_uri", "must be an https URI without a user name") \
	REASON_ROW(NO_DATE, "not_a_date", \
			   "must be a date such as 1990-12-31, a year such as 1990, or 0000-12-31 without a year") \
	REASON_ROW(FUTURE_DATE, "date_in_the_future", "must not be in the future") \
	REASON_ROW(NO_TIME_ZONE, "not_a_time_zone", \
			   "must be UTC or a name of the time zone database, such as Europe/Paris") \
	REASON_ROW(NO_LANGUAGE, "not_a_language_tag", "must be a language tag, such as en or zh-HK") \
	REASON_ROW(NO_ADDRESS, "not_an_address", \
			   "must be an object of the members formatted, street_address, locality, region, postal_code and country") \
	REASON_ROW(TOO_LARGE, "too_large", \
			   "must be at most " CppAsString2(PROFILE_CUSTOM_MAX_LENGTH) " bytes long as JSON")

#define PROFILE_REASON_NUMBER(name, code, clause) PROFILE_##name,

typedef enum ProfileReason
{
	PROFILE_REASONS(PROFILE_REASON_NUMBER)
} ProfileReason;

#endif							/* ANON_AUTH_DETAIL_CODES_H */
