/*-------------------------------------------------------------------------
 *
 * reserved_usernames.c
 *	  Names that nobody may take as a username.
 *
 * Whoever has one of them could pass for the operator of the site (RFC 2142
 * mailboxes, roles), take the place of a page or host of it (routes, files,
 * names in DNS), or be mistaken by software for nobody (null, undefined).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "login_id/login_id_private.h"

/* Normalised, and in the order of strcmp(): it is searched by halves. */
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

bool
username_is_reserved(const char *username)
{
	return bsearch(username, reserved_usernames, lengthof(reserved_usernames),
				   sizeof(reserved_usernames[0]), compare_names) != NULL;
}
