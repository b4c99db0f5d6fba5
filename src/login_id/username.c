/*-------------------------------------------------------------------------
 *
 * username.c
 *	  Usernames as login IDs.
 *
 * Other people see usernames.  So two names that look the same must be the same
 * name, or one of them must be refused: compatibility characters and case are
 * folded, and letters of scripts other than Latin are refused.
 *
 * Reserved names are refused because their owner could pass for the operator of
 * the site (RFC 2142 mailboxes, roles), take the place of a page or host of it
 * (routes, files, names in DNS), or be taken for nobody by software (null,
 * undefined).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "login_id/login_text.h"
#include "login_id/username.h"

#define USERNAME_PUNCTUATION	"_.-"
#define USERNAME_ASCII \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" USERNAME_PUNCTUATION

/* Normalised, and in the order of strcmp() for bsearch(). */
static const char *const reserved_usernames[] = {
	".", "..", "...", ".well-known", "about", "abuse", "account", "accounts",
	"add", "admin", "administration", "administrator", "administrators",
	"admins", "all", "android", "anon", "anonymous", "api", "apis", "app",
	"asset", "assets", "auth", "authenticate", "authenticated",
	"authentication", "authenticator", "authorization", "authorize",
	"autoconfig", "autodiscover", "billing", "bin", "bot", "bots",
	"broadcasthost", "callback", "cdn", "cert", "certificate", "certs",
	"client", "clients", "community", "config", "configuration", "contact",
	"contacts", "daemon", "dashboard", "data", "database", "dba", "debug",
	"default", "default-user", "delete", "devel", "developer", "developers",
	"device", "dns", "doc", "docs", "domain", "download", "downloads", "edit",
	"email", "emails", "embed", "error", "everyone", "false", "faq", "favicon",
	"favicon.ico", "feedback", "file", "files", "forgot", "forgot-password",
	"forgotpassword", "form", "ftp", "git", "graphql", "guest", "guests",
	"healthcheck", "healthz", "help", "helpdesk", "home", "host", "hostmaster",
	"http", "https", "humans.txt", "identity", "imap", "index", "index.html",
	"info", "ios", "isatap", "json", "jwks", "jwks.json", "kubernetes",
	"legal", "list", "list-request", "localdomain", "localhost", "log",
	"login", "login_id", "logout", "logs", "mail", "mailer", "mailer-daemon",
	"mailing-list", "majordomo", "manage", "management", "manager",
	"marketing", "me", "member", "members", "metrics", "mfa", "mod",
	"moderation", "moderator", "moderators", "mysql", "nan", "new", "nil",
	"no-reply", "no.reply", "no_reply", "nobody", "noc", "none", "noreply",
	"ns", "ns1", "ns2", "null", "oauth", "oauth2", "official", "oidc",
	"openid", "openid-configuration", "openid_configuration", "operations",
	"operator", "ops", "org", "owner", "passkey", "password", "passwords",
	"payment", "payments", "policy", "pop3", "postgres", "postgresql",
	"postgrest", "postmaster", "privacy", "private", "profile", "promote",
	"promotion", "recovery", "redirect", "register", "registration", "reset",
	"reset-password", "resetpassword", "revoke", "robot", "robots",
	"robots.txt", "role", "root", "rpc", "rss", "sales", "schema", "secure",
	"security", "security.txt", "self", "server", "service", "services",
	"session", "sessions", "settings", "setup", "sign-in", "sign-out",
	"sign-up", "signin", "signout", "signup", "sitemap", "sitemap.xml", "smtp",
	"sql", "ssh", "ssl", "ssladmin", "ssladministrator", "sslwebmaster",
	"staff", "static", "stats", "status", "subscription", "sudo", "superadmin",
	"superuser", "support", "svn", "sys", "sysadm", "sysadmin", "system",
	"system-administrator", "team", "teams", "telnet", "terms",
	"terms-of-service", "test", "token", "tokens", "true", "trust",
	"undefined", "unknown", "unsubscribe", "usenet", "user", "userinfo",
	"username", "users", "uucp", "verification", "verify", "webadmin",
	"webhook", "webhooks", "webmail", "webmaster", "websocket", "well-known",
	"whois", "wpad", "www", "www-data", "www1", "www2", "you"
};

static int
compare_names(const void *name, const void *element)
{
	return strcmp((const char *) name, *(const char *const *) element);
}

static bool
is_reserved(const char *username)
{
	return bsearch(username, reserved_usernames, lengthof(reserved_usernames),
				   sizeof(reserved_usernames[0]), compare_names) != NULL;
}

/* Check the given name: normalisation can turn other characters into ASCII. */
static LoginIdReason
check_given_name(const char *username, bool ascii_only)
{
	if (ascii_only && username[strspn(username, USERNAME_ASCII)] != '\0')
		return LOGIN_ID_NOT_ASCII;
	if (!login_text_is_plain(username, false))
		return LOGIN_ID_INVISIBLE;
	return LOGIN_ID_ACCEPTED;
}

static LoginIdReason
check_normalised_name(const char *username, const LoginIdPolicy *policy)
{
	if (strlen(username) > USERNAME_MAX_LENGTH)
		return LOGIN_ID_TOO_LONG;
	if (!login_text_is_word(username, USERNAME_PUNCTUATION))
		return LOGIN_ID_CHARACTER;
	if (!login_text_is_latin(username))
		return LOGIN_ID_CONFUSABLE;
	if (policy->username_block_reserved && is_reserved(username))
		return LOGIN_ID_RESERVED;
	if (login_text_has_keyword(username, &policy->username_excluded_keywords))
		return LOGIN_ID_EXCLUDED_KEYWORD;
	return LOGIN_ID_ACCEPTED;
}

LoginIdReason
username_normalise(const char *username, const LoginIdPolicy *policy, char **value)
{
	LoginIdReason reason = check_given_name(username, policy->username_ascii_only);
	char	   *normalised;

	if (reason != LOGIN_ID_ACCEPTED)
		return reason;

	normalised = login_text_normalise(username, true);
	reason = check_normalised_name(normalised, policy);
	if (reason != LOGIN_ID_ACCEPTED)
		return reason;
	*value = normalised;
	return LOGIN_ID_ACCEPTED;
}
