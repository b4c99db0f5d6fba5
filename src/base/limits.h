/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  Fixed limits: sizes of input, numbers of attempts, and lifetimes.
 *
 * Limits that the DBA can change are columns of anon_auth.settings and
 * anon_auth.clients, in src/store/settings.list and src/store/clients.list.
 * script/limits makes the table "Fixed limits" of docs/reference.md from this
 * file: a row is the comment and the number of one macro.  Plain C, because
 * src/jose and src/token use it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_LIMITS_H
#define ANON_AUTH_LIMITS_H

/* ---- JSON and tokens ---- */

/* Size of a JSON text in bytes.  It also bounds the number of members. */
#define JSON_MAX_LENGTH					1048576
/* Levels of nested objects and arrays in a JSON text. */
#define JSON_MAX_DEPTH					32
/* Length of a JSON number in characters. */
#define JSON_MAX_NUMBER					40
/* Length of the exponent of a JSON number in characters, without the "e". */
#define JSON_MAX_EXPONENT				3
/* Size of a signed token in bytes. */
#define JOSE_MAX_TOKEN_LENGTH			65536
/* Size of the claims that are signed in bytes; header and signature add to it. */
#define JOSE_MAX_CLAIMS_LENGTH			32768
/* Size of a DPoP proof in bytes: room for one of the largest RSA key. */
#define DPOP_PROOF_MAX_LENGTH			8192
/* Length of the jti of a DPoP proof in bytes. */
#define DPOP_JTI_MAX_LENGTH				255
/* Length of a nonce in bytes. */
#define NONCE_MAX_LENGTH				255

/* Length of the sub claim in the ID token of an identity provider in bytes. */
#define SUBJECT_MAX_LENGTH				255
/* Size of a profile claim of an identity in bytes; a longer one is not stored. */
#define PROFILE_CLAIM_MAX_LENGTH		2000

/* ---- Keys ---- */

/* Smallest RSA modulus in bits (RFC 7518 section 3.3). */
#define JOSE_RSA_MIN_BITS				2048
/* Largest RSA modulus in bits; it bounds the time of a verification. */
#define JOSE_RSA_MAX_BITS				8192
/* Length of the secret of a symmetric key in bytes. */
#define JOSE_OCT_MAX_LENGTH				1024
/* Size of a JWK argument in bytes; the largest private key is smaller. */
#define JWK_MAX_LENGTH					16384
/* Minimum length of the kid of a device key in characters. */
#define KID_MIN_LENGTH					8
/* Maximum length of the kid of a device key in characters. */
#define KID_MAX_LENGTH					64
/* Keys in the JWK Set of an identity provider. */
#define PROVIDER_KEYS_MAX				64
/* Keys in the master key file. */
#define MASTER_KEYS_MAX					8
/* Size of the master key file in bytes: room for all keys and some 300 databases. */
#define MASTER_KEY_FILE_MAX				32768

/* ---- Passkeys ---- */

/* Size of a passkey response as JSON in bytes. */
#define PASSKEY_RESPONSE_MAX_LENGTH		65536
/* Length of the id of a passkey in bytes (WebAuthn Level 3). */
#define CREDENTIAL_ID_MAX_LENGTH		1023
/* Levels of nested arrays and maps in the CBOR of an authenticator. */
#define CBOR_MAX_DEPTH					6
/* Passkeys of one user. */
#define PASSKEYS_MAX					20
/* Length of the name of a passkey or a device key in characters. */
#define CREDENTIAL_NAME_MAX_LENGTH		100
/* Transports of a passkey that are kept. */
#define PASSKEY_TRANSPORTS_MAX			8
/* Length of a transport of a passkey in characters; longer ones are left out. */
#define PASSKEY_TRANSPORT_MAX_LENGTH	32
/* Time that a browser gives the user for a passkey, in seconds. */
#define PASSKEY_TIMEOUT_SECONDS			300

/* ---- Login IDs and passwords ---- */

/* Length of an email address in bytes. */
#define EMAIL_MAX_LENGTH				320
/* Length of the part of an email address before the @ in bytes (RFC 5321). */
#define EMAIL_LOCAL_PART_MAX_LENGTH		64
/* Length of the domain of an email address in characters (RFC 1035). */
#define EMAIL_DOMAIN_MAX_LENGTH			253
/* Length of a phone number as given in bytes, without outer spaces. */
#define PHONE_NUMBER_MAX_LENGTH			40
/* Minimum number of digits of a phone number, with the country calling code. */
#define PHONE_NUMBER_MIN_DIGITS			7
/* Maximum number of digits of a phone number, with the country calling code (E.164). */
#define PHONE_NUMBER_MAX_DIGITS			15
/* Length of a username in bytes. */
#define USERNAME_MAX_LENGTH				40
/* Length of a password in bytes; longer ones are refused before they are hashed. */
#define PASSWORD_MAX_LENGTH				8192
/* Cost of an imported bcrypt hash: the logarithm of its rounds. */
#define IMPORTED_BCRYPT_MAX_COST		15
/* Memory that checking an imported scrypt or Argon2 hash may take, in kB. */
#define IMPORTED_HASH_MAX_MEMORY_KIB	262144
/* Work of an imported scrypt hash: N times r times p. */
#define IMPORTED_SCRYPT_MAX_BLOCKS		4194304
/* Work of an imported Argon2 hash: its memory in kB times its passes. */
#define IMPORTED_ARGON2_MAX_KIB_PASSES	1048576
/* Size of an imported hash, its salt or Firebase's signer key in bytes. */
#define IMPORTED_HASH_FIELD_MAX			128
/* Smallest size of an imported scrypt hash in bytes. */
#define IMPORTED_HASH_MIN_LENGTH		16

/* ---- Other arguments ---- */

/* Length in bytes of a URI of a client or of settings. */
#define URI_MAX_LENGTH					2000
/* Size of device_info in bytes. */
#define DEVICE_INFO_MAX_LENGTH			8192
/* Length of the parameter x_device_info over HTTP in characters. */
#define HTTP_DEVICE_INFO_MAX_LENGTH		16384
/* Length of the user agent of a session in characters. A longer one is cut off. */
#define USER_AGENT_MAX_LENGTH			512
/* Length of a login ID in a form in bytes. */
#define HTTP_LOGIN_ID_MAX_LENGTH		1000
/* Length of the parameter state at /oauth2/authorize in characters, percent-encoded. */
#define HTTP_STATE_MAX_LENGTH			4096
/* Length of the parameter ui_locales at /oauth2/authorize in bytes. */
#define HTTP_UI_LOCALES_MAX_LENGTH		255
/* Length of the path and query of a settings page that another page returns to, in bytes. */
#define HTTP_NEXT_MAX_LENGTH				8000
/* Parameters of a form or query; a request with more is refused. */
#define HTTP_MAX_PARAMETERS				100
/* Size of an authorization request in the address of a page, in bytes; proxies refuse more. */
#define HTTP_MAX_AUTHORIZATION_REQUEST	6000
/* Size of an authorization request that a page sends back, in bytes. */
#define AUTHORIZATION_REQUEST_MAX_LENGTH	8192
/* Flows of pages that one browser can have open; the oldest one makes room for a new one. */
#define BROWSER_FLOWS_MAX				8
/* Minimum length of a PKCE code_verifier in characters (RFC 7636). */
#define CODE_VERIFIER_MIN_LENGTH		43
/* Maximum length of a PKCE code_verifier in characters (RFC 7636). */
#define CODE_VERIFIER_MAX_LENGTH		128
/* Length of a text in a profile in characters: a name, or a part of an address. */
#define PROFILE_TEXT_MAX_LENGTH			500
/* Length of a maker or model in the name of a device on a page in characters. */
#define DEVICE_NAME_MAX_LENGTH			60
/* Size of a custom attribute that its user writes, as JSON, in bytes. */
#define PROFILE_CUSTOM_MAX_LENGTH		8192
/* Login IDs of one type that an account can have. */
#define LOGIN_IDS_PER_TYPE				5
/* Device keys that an account can have. */
#define DEVICE_KEYS_PER_ACCOUNT			20
/* Roles of one user. */
#define USER_ROLES_MAX					32
/* Length of the name of a role in characters. */
#define USER_ROLE_MAX_LENGTH			64
/* Largest batch_size of purge(). */
#define PURGE_MAX_BATCH_SIZE			100000

/* ---- Attempts ---- */

/* Codes sent to one address in a minute. */
#define CODES_PER_MINUTE				1
/* Codes sent to one address in an hour. */
#define CODES_PER_HOUR					10
/* Attempts at one code of request_verification(). */
#define VERIFICATION_CODE_ATTEMPTS		5
/* Login codes for one address that one guest, or callers without a proof, can have at the same time. */
#define LOGIN_CODES_MAX					3
/* Codes that one guest or account can have sent in an hour, to any addresses. */
#define CODES_PER_HOUR_PER_GUEST		10
/* Attempts with six digits at one code of request_login_code(). */
#define LOGIN_CODE_ATTEMPTS				5
/* Attempts at the long code in the link of request_login_code(). */
#define LINK_CODE_ATTEMPTS				100
/* Attempts at one code of request_password_reset(). */
#define RESET_CODE_ATTEMPTS				100
/* Attempts at six-digit codes for one address in a day, over all callers. */
#define CODE_GUESSES_PER_DAY			100
/* Calls of claim_anonymous_user() for one account in a minute. */
#define CLAIMS_PER_MINUTE				10
/* Notices of one type to the addresses of one account in an hour; further changes are only events. */
#define NOTICES_PER_HOUR				5
/* Factor by which an IPv6 /56 may exceed the limit of an address. */
#define IPV6_56_LIMIT_FACTOR			4
/* Factor by which an IPv6 /48 may exceed the limit of an address. */
#define IPV6_48_LIMIT_FACTOR			16
/* Challenges that a device key can use within their lifetime, in any order. */
#define CHALLENGE_WINDOW_ENTRIES		64

/* ---- Lifetimes and tolerances, in seconds ---- */

/* Lifetime of a challenge, a promotion code, an authorization code and an ID token. */
#define SHORT_LIFETIME_SECONDS			300
/* Lifetime of a page between the authorization request and the redirect back. */
#define PAGE_LIFETIME_SECONDS			1200
/* Tolerance for exp, iat and nbf in the request of a device. */
#define CLOCK_SKEW_SECONDS				300
/* Time for which a DPoP proof can be used after its iat, or after its nonce was issued. */
#define DPOP_PROOF_SECONDS				300
/* For how long clients and proxies may at most cache jwks() and the discovery document. */
#define JWKS_MAX_AGE_SECONDS			60
/* Time after the last token of a rotated signing key has expired until the key retires. */
#define ROTATION_SLACK_SECONDS			300
/* Minimum time for which a refresh token that a rolled-back transaction used is remembered. */
#define PRESENTED_TOKEN_SECONDS			21600
/* Interval at which a use of a cookie session extends its idle timeout. */
#define COOKIE_SESSION_TOUCH_SECONDS	600
/* Time for which a browser keeps the session of an app after its last page. */
#define APP_SESSION_IDLE_SECONDS		3600
/* Interval at which a page renews the cookie of an app's session. */
#define APP_SESSION_RENEWAL_SECONDS		300
/* Time for which a merge is remembered, so that claim_anonymous_user() can be repeated. */
#define MERGED_GUEST_SECONDS			2592000
/* Time until purge() looks again at a guest that it could not delete. */
#define PURGE_RETRY_SECONDS				86400
/* The same time if the fault may pass, such as a deadlock, a timeout or a full disk. */
#define PURGE_PASSING_RETRY_SECONDS		300

#endif							/* ANON_AUTH_LIMITS_H */
