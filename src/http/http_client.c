/*-------------------------------------------------------------------------
 *
 * http_client.c
 *	  The client that a request to the token endpoint names (RFC 6749, section 2.3).
 *
 * Clients are public: they have no secret.  Some libraries nevertheless send the client ID
 * by HTTP Basic authentication, with an empty password.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"
#include "domain/client.h"
#include "http/http_client.h"
#include "http/http_errors.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"

#define BASIC	"Basic "

/* Return the credentials of "Authorization: Basic ...", or NULL. */
static const char *
basic_credentials(const HttpRequest *request)
{
	const char *value = http_header(request, "x-original-authorization");

	if (value == NULL || value[0] == '\0')
		value = http_header(request, "authorization");
	if (value == NULL || pg_strncasecmp(value, BASIC, strlen(BASIC)) != 0)
		return NULL;
	value += strlen(BASIC);
	return value + strspn(value, " ");
}

/*
 * Return the client ID of the credentials, or NULL if they are malformed or have a
 * password.  Both were encoded as form values before (RFC 6749, section 2.3.1).
 */
static char *
client_id_of_credentials(const char *credentials)
{
	int			length = (int) strlen(credentials);
	int			size = pg_b64_dec_len(length);
	void	   *bytes = palloc(size + 1);
	char	   *text = bytes;
	char	   *colon;

	length = pg_b64_decode(credentials, length, bytes, size);
	if (length < 0)
		return NULL;
	text[length] = '\0';
	colon = strchr(text, ':');
	if (colon == NULL || strlen(text) != (size_t) length || colon[1] != '\0')
		return NULL;
	return http_decode(text, colon - text);
}

bool
http_client(const HttpRequest *request, const HttpParams *params, Client *client,
			HttpResponse *response)
{
	char	   *client_id = http_param(params, "client_id");
	const char *credentials = basic_credentials(request);
	char	   *basic_id;

	if (credentials == NULL && client_id == NULL)
	{
		http_oauth_error(response, 400, "invalid_client", "client_id is required");
		return false;
	}
	if (credentials == NULL)
	{
		client_get(client_id, client);
		return true;
	}
	basic_id = client_id_of_credentials(credentials);
	if (basic_id != NULL && (client_id == NULL || strcmp(client_id, basic_id) == 0) &&
		client_find(basic_id, client))
		return true;

	/* RFC 6749, section 5.2, asks for this status only if the client used this header. */
	http_oauth_error(response, 401, "invalid_client", "client authentication failed");
	http_add_header(response, "WWW-Authenticate", "Basic realm=\"OAuth\"");
	return false;
}
