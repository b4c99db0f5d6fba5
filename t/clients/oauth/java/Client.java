import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jwt.JWT;
import com.nimbusds.oauth2.sdk.AuthorizationCode;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.AuthorizationGrant;
import com.nimbusds.oauth2.sdk.RefreshTokenGrant;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.TokenRevocationRequest;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.token.RefreshToken;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.AuthenticationResponse;
import com.nimbusds.openid.connect.sdk.AuthenticationResponseParser;
import com.nimbusds.openid.connect.sdk.LogoutRequest;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.Prompt;
import com.nimbusds.openid.connect.sdk.UserInfoRequest;
import com.nimbusds.openid.connect.sdk.UserInfoResponse;
import com.nimbusds.openid.connect.sdk.claims.AccessTokenHash;
import com.nimbusds.openid.connect.sdk.claims.IDTokenClaimsSet;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.token.OIDCTokens;
import com.nimbusds.openid.connect.sdk.validators.AccessTokenValidator;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Date;
import java.util.Map;
import net.minidev.json.JSONObject;
import net.minidev.json.JSONValue;

/** The OAuth 2.0 SDK with OpenID Connect extensions of Nimbus. */
public final class Client {
	private static final String ORIGIN = System.getenv("ORIGIN");
	private static final String DRIVER = System.getenv("DRIVER");
	private static final String ALICE = "alice@example.com";
	private static final String BOB = "bob@example.com";
	private static final ClientID CLIENT = new ClientID("rp");
	private static final URI REDIRECT_URI = URI.create(DRIVER + "/callback");
	private static final HttpClient HTTP = HttpClient.newHttpClient();

	private static OIDCProviderMetadata metadata;
	private static IDTokenValidator validator;

	private interface Test {
		void run() throws Exception;
	}

	private static void ok(String name, boolean condition, Object why) {
		System.out.println(JSONObject.toJSONString(Map.of("name", "Nimbus: " + name, "ok", condition, "why", "" + why)));
	}

	private static void is(String name, Object actual, Object expected) {
		ok(name, expected.equals(actual), "got " + actual + ", expected " + expected);
	}

	private static String ask(String path, String body) throws Exception {
		HttpResponse<String> response = HTTP.send(
			HttpRequest.newBuilder(URI.create(DRIVER + path)).POST(HttpRequest.BodyPublishers.ofString(body)).build(),
			HttpResponse.BodyHandlers.ofString());

		if (response.statusCode() != 200) {
			throw new IllegalStateException(response.body());
		}
		return response.body();
	}

	private static String sessions(OIDCTokens tokens) throws Exception {
		return ask("/sql", "SELECT count(*) FROM anon_auth.sessions WHERE id = '" + sid(tokens.getIDToken()) + "'");
	}

	private static String sid(JWT token) throws Exception {
		return token.getJWTClaimsSet().getStringClaim("sid");
	}

	/** The person opens the URL and logs in. Returns the redirect to the client, or "". */
	private static String visit(URI url, String loginId) throws Exception {
		JSONObject answer = (JSONObject) JSONValue.parse(ask("/log-in", JSONObject.toJSONString(
			Map.of("url", url.toString(), "login_id", loginId, "password", "correct horse"))));

		return answer.getAsString("location");
	}

	/** One authorization request, and the exchange that follows it. */
	private static final class Login {
		final CodeVerifier verifier = new CodeVerifier();
		final State state = new State();
		final Nonce nonce = new Nonce();
		final AuthenticationRequest.Builder builder = new AuthenticationRequest.Builder(
			ResponseType.CODE, new Scope("openid", "offline_access"), CLIENT, REDIRECT_URI)
			.endpointURI(metadata.getAuthorizationEndpointURI())
			.codeChallenge(verifier, CodeChallengeMethod.S256)
			.state(state)
			.nonce(nonce);

		AuthenticationResponse visitAs(String loginId) throws Exception {
			return AuthenticationResponseParser.parse(URI.create(visit(builder.build().toURI(), loginId)));
		}

		TokenResponse exchange(AuthorizationCode code) throws Exception {
			return token(new AuthorizationCodeGrant(code, REDIRECT_URI, verifier));
		}

		OIDCTokens tokens() throws Exception {
			AuthenticationResponse response = visitAs(ALICE);

			if (!response.getState().equals(state)) {
				throw new IllegalStateException("another state");
			}
			return ((OIDCTokenResponse) exchange(response.toSuccessResponse().getAuthorizationCode()).toSuccessResponse())
				.getOIDCTokens();
		}
	}

	private static TokenResponse token(AuthorizationGrant grant) throws Exception {
		return OIDCTokenResponseParser.parse(
			new TokenRequest.Builder(metadata.getTokenEndpointURI(), CLIENT, grant).build().toHTTPRequest().send());
	}

	private static String error(TokenResponse response) {
		return response.indicatesSuccess()
			? "no error"
			: response.toErrorResponse().getErrorObject().getHTTPStatusCode() + " "
				+ response.toErrorResponse().getErrorObject().getCode();
	}

	private static UserInfoResponse userinfo(BearerAccessToken token) throws Exception {
		return UserInfoResponse.parse(new UserInfoRequest(metadata.getUserInfoEndpointURI(), token).toHTTPRequest().send());
	}

	private static void logIn() throws Exception {
		Login login = new Login();

		login.builder.maxAge(3600);
		AuthenticationResponse response = login.visitAs(ALICE);

		is("the authorization response names the issuer (RFC 9207)", response.getIssuer(), metadata.getIssuer());
		ok("the metadata announces iss", metadata.supportsAuthorizationResponseIssuerParam(), metadata);
		OIDCTokens tokens = ((OIDCTokenResponse) login.exchange(response.toSuccessResponse().getAuthorizationCode())
			.toSuccessResponse()).getOIDCTokens();
		IDTokenClaimsSet claims = validator.validate(tokens.getIDToken(), login.nonce);

		ok("auth_time is in the ID token", claims.getAuthenticationTime() != null
			&& new Date().getTime() - claims.getAuthenticationTime().getTime() < 60_000, claims.toJSONString());
		AccessTokenHash hash = claims.getAccessTokenHash();

		ok("at_hash is in the ID token", hash != null, claims.toJSONString());
		if (hash != null) {
			AccessTokenValidator.validate(
				tokens.getAccessToken(), (JWSAlgorithm) tokens.getIDToken().getHeader().getAlgorithm(), hash);
		}
		is("userinfo names the user",
			userinfo(tokens.getBearerAccessToken()).toSuccessResponse().getUserInfo().getEmailAddress(), ALICE);
	}

	private static void refresh() throws Exception {
		OIDCTokens tokens = new Login().tokens();
		OIDCTokenResponse refreshed =
			(OIDCTokenResponse) token(new RefreshTokenGrant(tokens.getRefreshToken())).toSuccessResponse();

		is("the ID token of a refresh has the same subject",
			validator.validate(refreshed.getOIDCTokens().getIDToken(), null).getSubject().getValue(),
			tokens.getIDToken().getJWTClaimsSet().getSubject());
		HTTPResponse revoked = new TokenRevocationRequest(
			metadata.getRevocationEndpointURI(), CLIENT, tokens.getRefreshToken()).toHTTPRequest().send();

		is("a revocation succeeds", revoked.getStatusCode(), 200);
		is("a revoked refresh token is invalid_grant", error(token(new RefreshTokenGrant(tokens.getRefreshToken()))),
			"400 invalid_grant");
	}

	private static void reuse() throws Exception {
		Login login = new Login();
		AuthorizationCode code = login.visitAs(ALICE).toSuccessResponse().getAuthorizationCode();
		OIDCTokens tokens = ((OIDCTokenResponse) login.exchange(code).toSuccessResponse()).getOIDCTokens();

		is("a used code is invalid_grant", error(login.exchange(code)), "400 invalid_grant");
		is("the reuse of a code ends the session that it gave", sessions(tokens), "0");
	}

	private static void endSession() throws Exception {
		OIDCTokens tokens = new Login().tokens();
		URI loggedOut = URI.create(DRIVER + "/logged-out");
		State state = new State();

		is("end_session returns to the client with the state",
			visit(new LogoutRequest(metadata.getEndSessionEndpointURI(), tokens.getIDToken(), loggedOut, state).toURI(), ALICE),
			loggedOut + "?state=" + state);
		is("end_session with an id_token_hint ends the session", sessions(tokens), "0");
	}

	private static void reauthentication() throws Exception {
		OIDCTokens tokens = new Login().tokens();
		Login other = new Login();
		Login again = new Login();

		other.builder.idTokenHint(tokens.getIDToken()).maxAge(0).scope(new Scope("openid"));
		again.builder.idTokenHint(tokens.getIDToken()).maxAge(0).scope(new Scope("openid"));
		is("another user cannot log in where id_token_hint names the user", visit(other.builder.build().toURI(), BOB), "");
		OIDCTokens fresh = again.tokens();

		is("reauthentication keeps the session", sid(fresh.getIDToken()), sid(tokens.getIDToken()));
		ok("reauthentication returns no second refresh token", fresh.getRefreshToken() == null, fresh.getRefreshToken());
	}

	private static void errors() throws Exception {
		Login login = new Login();

		login.builder.prompt(new Prompt(Prompt.Type.NONE));
		AuthenticationResponse refused = login.visitAs(ALICE);

		ok("prompt=none is refused", !refused.indicatesSuccess(), refused.getClass());
		is("prompt=none is login_required", refused.toErrorResponse().getErrorObject().getCode(), "login_required");
		is("an authorization error names the issuer (RFC 9207)", refused.getIssuer(), metadata.getIssuer());
		RefreshTokenGrant grant = new RefreshTokenGrant(new RefreshToken("x"));
		TokenResponse unknown = TokenResponse.parse(new TokenRequest.Builder(
			metadata.getTokenEndpointURI(), new ClientID("nobody"), grant).build().toHTTPRequest().send());

		ok("an unknown client is invalid_client", error(unknown).endsWith(" invalid_client"), error(unknown));
		TokenResponse secret = TokenResponse.parse(new TokenRequest.Builder(
			metadata.getTokenEndpointURI(), new ClientSecretBasic(CLIENT, new Secret("secret")), grant)
			.build().toHTTPRequest().send());

		is("a secret in Basic is 401 invalid_client", error(secret), "401 invalid_client");
		UserInfoResponse nonsense = userinfo(new BearerAccessToken("nonsense"));

		is("userinfo refuses a token that does not verify with invalid_token",
			nonsense.toErrorResponse().getErrorObject().getCode(), "invalid_token");
	}

	private static void newKey() throws Exception {
		String key = ask("/publish-key", "");
		IDTokenValidator fresh = new IDTokenValidator(
			metadata.getIssuer(), CLIENT, JWSAlgorithm.ES256, metadata.getJWKSetURI().toURL());
		Login before = new Login();
		JWT token = before.tokens().getIDToken();

		fresh.validate(token, before.nonce);
		ok("a published key does not sign yet", !key.equals(((JWSHeader) token.getHeader()).getKeyID()), key);
		ask("/use-key", "");
		Login after = new Login();

		token = after.tokens().getIDToken();
		fresh.validate(token, after.nonce);
		is("a token of the new key verifies", ((JWSHeader) token.getHeader()).getKeyID(), key);
	}

	private static void test(String subject, Test test) {
		try {
			test.run();
		} catch (Exception | LinkageError problem) {
			ok(subject, false, problem + " at " + problem.getStackTrace()[0]);
		}
	}

	public static void main(String[] arguments) throws Exception {
		metadata = OIDCProviderMetadata.resolve(new Issuer(ORIGIN));
		validator = new IDTokenValidator(metadata.getIssuer(), CLIENT, JWSAlgorithm.ES256, metadata.getJWKSetURI().toURL());
		test("a login", Client::logIn);
		test("a refresh", Client::refresh);
		test("the reuse of a code", Client::reuse);
		test("the end of a session", Client::endSession);
		test("reauthentication", Client::reauthentication);
		test("errors", Client::errors);
		test("a new key", Client::newKey);
		System.out.println("{\"done\":true}");
	}
}
