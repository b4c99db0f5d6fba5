// go-oidc and golang.org/x/oauth2, as a native app that listens on a loopback port.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	alice    = "alice@example.com"
	bob      = "bob@example.com"
	password = "correct horse"
	// The client's redirect URI has no port: any port matches (RFC 8252, section 7.3).
	redirectURI = "http://127.0.0.1:49152/callback"
)

var (
	origin = os.Getenv("ORIGIN")
	driver = os.Getenv("DRIVER")
	ctx    = context.Background()
)

func tell(result map[string]any) {
	line, err := json.Marshal(result)
	must(err)
	fmt.Println(string(line))
}

func ok(name string, condition bool, why ...any) {
	tell(map[string]any{"name": "go-oidc: " + name, "ok": condition, "why": fmt.Sprint(why...)})
}

func is(name string, actual, expected any) {
	ok(name, actual == expected, fmt.Sprintf("got %v, expected %v", actual, expected))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func ask(path string, body []byte) string {
	response, err := http.Post(driver+path, "application/json", bytes.NewReader(body))
	must(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(err)
	if response.StatusCode != http.StatusOK {
		panic(string(text))
	}
	return string(text)
}

func sql(text string) string { return ask("/sql", []byte(text)) }

func sessions(sid string) string {
	return sql("SELECT count(*) FROM anon_auth.sessions WHERE id = '" + sid + "'")
}

// The person opens the URL and logs in. Returns the redirect to the client, if any.
func visit(address, loginID string) string {
	body, err := json.Marshal(map[string]string{"url": address, "login_id": loginID, "password": password})
	must(err)
	var answer struct{ Location string }
	must(json.Unmarshal([]byte(ask("/log-in", body)), &answer))
	return answer.Location
}

type app struct {
	provider *oidc.Provider
	config   oauth2.Config
}

func newApp() *app {
	provider, err := oidc.NewProvider(ctx, origin)
	must(err)
	return &app{provider, oauth2.Config{
		ClientID:    "rp-native",
		Endpoint:    provider.Endpoint(),
		RedirectURL: redirectURI,
		Scopes:      []string{oidc.ScopeOpenID, oidc.ScopeOfflineAccess},
	}}
}

type request struct {
	url, verifier, nonce string
}

func (a *app) request(options ...oauth2.AuthCodeOption) request {
	r := request{verifier: oauth2.GenerateVerifier(), nonce: oauth2.GenerateVerifier()}
	options = append(options, oauth2.S256ChallengeOption(r.verifier), oidc.Nonce(r.nonce))
	r.url = a.config.AuthCodeURL("the state", options...)
	return r
}

func (a *app) exchange(r request, callback string) (*oauth2.Token, *oidc.IDToken, error) {
	location, err := url.Parse(callback)
	must(err)
	token, err := a.config.Exchange(ctx, location.Query().Get("code"), oauth2.VerifierOption(r.verifier))
	if err != nil {
		return nil, nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := a.provider.Verifier(&oidc.Config{ClientID: a.config.ClientID}).Verify(ctx, raw)
	return token, id, err
}

func (a *app) logIn(options ...oauth2.AuthCodeOption) (*oauth2.Token, *oidc.IDToken) {
	r := a.request(options...)
	token, id, err := a.exchange(r, visit(r.url, alice))
	must(err)
	return token, id
}

func (a *app) refresh(token *oauth2.Token) (*oauth2.Token, error) {
	return a.config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
}

// The OAuth error and the status that a call of x/oauth2 failed with.
func code(err error) string {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return fmt.Sprint("another error: ", err)
	}
	return fmt.Sprint(refused.Response.StatusCode, " ", refused.ErrorCode)
}

func sidOf(id *oidc.IDToken) string {
	var claims struct {
		SID string `json:"sid"`
	}
	must(id.Claims(&claims))
	return claims.SID
}

func (a *app) endpoint(name string) string {
	var metadata map[string]any
	must(a.provider.Claims(&metadata))
	address, _ := metadata[name].(string)
	return address
}

func login() {
	a := newApp()
	r := a.request(oauth2.SetAuthURLParam("max_age", "3600"))
	callback := visit(r.url, alice)
	location, err := url.Parse(callback)
	must(err)
	is("a redirect URI on the loopback interface may have any port", strings.HasPrefix(callback, redirectURI+"?"), true)
	is("the authorization response has the state", location.Query().Get("state"), "the state")
	is("the authorization response names the issuer (RFC 9207)", location.Query().Get("iss"), origin)
	token, id, err := a.exchange(r, callback)
	must(err)
	is("nonce is in the ID token", id.Nonce, r.nonce)
	is("at_hash is that of the access token", id.VerifyAccessToken(token.AccessToken), nil)
	var claims struct {
		AuthTime int64 `json:"auth_time"`
	}
	must(id.Claims(&claims))
	ok("auth_time is in the ID token", time.Since(time.Unix(claims.AuthTime, 0)) < time.Minute, claims.AuthTime)
	userinfo, err := a.provider.UserInfo(ctx, a.config.TokenSource(ctx, token))
	must(err)
	is("userinfo names the user", userinfo.Subject+" "+userinfo.Email, id.Subject+" "+alice)
}

func refreshing() {
	a := newApp()
	token, id := a.logIn()
	refreshed, err := a.refresh(token)
	must(err)
	raw, _ := refreshed.Extra("id_token").(string)
	again, err := a.provider.Verifier(&oidc.Config{ClientID: a.config.ClientID}).Verify(ctx, raw)
	must(err)
	is("the ID token of a refresh has the same subject", again.Subject, id.Subject)
	is("the ID token of a refresh has the same session", sidOf(again), sidOf(id))
	is("at_hash of a refresh is that of its access token", again.VerifyAccessToken(refreshed.AccessToken), nil)
	response, err := http.PostForm(a.endpoint("revocation_endpoint"),
		url.Values{"token": {token.RefreshToken}, "client_id": {a.config.ClientID}})
	must(err)
	response.Body.Close()
	is("a revocation succeeds", response.StatusCode, 200)
	_, err = a.refresh(token)
	is("a revoked refresh token is invalid_grant", code(err), "400 invalid_grant")
	r := a.request()
	callback := visit(r.url, alice)
	_, id, err = a.exchange(r, callback)
	must(err)
	_, _, err = a.exchange(r, callback)
	is("a used code is invalid_grant", code(err), "400 invalid_grant")
	is("the reuse of a code ends the session that it gave", sessions(sidOf(id)), "0")
}

func ending() {
	a := newApp()
	token, id := a.logIn()
	hint, _ := token.Extra("id_token").(string)
	location := visit(a.endpoint("end_session_endpoint")+"?"+url.Values{
		"id_token_hint":            {hint},
		"post_logout_redirect_uri": {"http://127.0.0.1/logged-out"},
	}.Encode(), "")
	is("end_session returns to the client", location, "http://127.0.0.1/logged-out")
	is("end_session with an id_token_hint ends the session", sessions(sidOf(id)), "0")
}

func reauthentication() {
	a := newApp()
	token, id := a.logIn()
	hint, _ := token.Extra("id_token").(string)
	a.config.Scopes = []string{oidc.ScopeOpenID}
	options := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("id_token_hint", hint), oauth2.SetAuthURLParam("max_age", "0")}
	is("another user cannot log in where id_token_hint names the user", visit(a.request(options...).url, bob), "")
	again, idAgain := a.logIn(options...)
	is("reauthentication keeps the session", sidOf(idAgain), sidOf(id))
	is("reauthentication returns no second refresh token", again.RefreshToken, "")
}

func failures() {
	a := newApp()
	a.config.ClientID = "nobody"
	_, err := a.refresh(&oauth2.Token{RefreshToken: "x"})
	is("an unknown client is invalid_client", strings.Fields(code(err))[1], "invalid_client")
	a = newApp()
	a.config.ClientSecret = "secret"
	a.config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	_, err = a.refresh(&oauth2.Token{RefreshToken: "x"})
	is("a secret in Basic is 401 invalid_client", code(err), "401 invalid_client")
	a = newApp()
	_, err = a.provider.UserInfo(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "nonsense"}))
	ok("userinfo refuses a token that does not verify with invalid_token",
		err != nil && strings.Contains(err.Error(), "401") && strings.Contains(err.Error(), "invalid_token"), err)
	location, err := url.Parse(visit(a.request(oauth2.SetAuthURLParam("prompt", "none")).url, alice))
	must(err)
	is("prompt=none is login_required", location.Query().Get("error"), "login_required")
	is("an authorization error names the issuer (RFC 9207)", location.Query().Get("iss"), origin)
}

func kid(token *oauth2.Token) string {
	raw, _ := token.Extra("id_token").(string)
	decoded, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0])
	must(err)
	var header struct{ Kid string }
	must(json.Unmarshal(decoded, &header))
	return header.Kid
}

func rotation() {
	a := newApp()
	key := ask("/publish-key", nil)
	before, _ := a.logIn()
	ok("a published key does not sign yet", kid(before) != key)
	ask("/use-key", nil)
	after, _ := a.logIn()
	is("a token of the new key verifies", kid(after), key)
}

func test(subject string, action func()) {
	defer func() {
		if reason := recover(); reason != nil {
			ok(subject, false, reason)
		}
	}()
	action()
}

func main() {
	test("a login", login)
	test("refresh, revocation and reuse", refreshing)
	test("the end of a session", ending)
	test("reauthentication", reauthentication)
	test("errors", failures)
	test("a new key", rotation)
	tell(map[string]any{"done": true})
}
