// pgx: an HTTP server with a pool.  Each request is one transaction.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var pool *pgxpool.Pool

type user struct {
	address     netip.Addr
	accessToken string
}

type object = map[string]any

// transaction: runs a statement for one user and returns its rows.
func (u user) run(ctx context.Context, sql string, arguments ...any) (rows []object, err error) {
	for attempt := 1; ; attempt++ {
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { // commits, also after a failed login
			if _, err := tx.Exec(ctx, "SELECT anon_auth.use_client_address($1)", u.address); err != nil {
				return err // rolls back
			}
			if u.accessToken != "" {
				if _, err := tx.Exec(ctx, "SELECT anon_auth.use_access_token($1)", u.accessToken); err != nil {
					return err
				}
			}
			result, err := tx.Query(ctx, sql, arguments...)
			if err == nil {
				rows, err = pgx.CollectRows(result, pgx.RowToMap)
			}
			return err
		})
		var failure *pgconn.PgError
		if !errors.As(err, &failure) || failure.Code != "40001" || attempt == 3 {
			return rows, err
		}
	}
}

// end

// calls: no row means wrong credentials.
func signUp(ctx context.Context, u user, _ pgx.NamedArgs) ([]object, error) {
	return u.run(ctx, "SELECT sub::text, access_token, refresh_token FROM anon_auth.authenticate_anonymously('app')")
}

// A device signs up or logs in: jwt is the challenge that it signed with its key.
func challenge(ctx context.Context, u user, _ pgx.NamedArgs) ([]object, error) {
	return u.run(ctx, "SELECT token FROM anon_auth.create_challenge()")
}

func device(ctx context.Context, u user, body pgx.NamedArgs) ([]object, error) {
	return u.run(ctx, `SELECT sub::text, access_token, refresh_token
		FROM anon_auth.authenticate_anonymously('app', jwt => @jwt)`, body)
}

func logIn(ctx context.Context, u user, body pgx.NamedArgs) ([]object, error) {
	return u.run(ctx, `SELECT sub::text, access_token, refresh_token
		FROM anon_auth.authenticate('app', @login_id, @password)`, body)
}

func refresh(ctx context.Context, u user, body pgx.NamedArgs) ([]object, error) {
	return u.run(ctx, `SELECT sub::text, access_token, refresh_token
		FROM anon_auth.refresh_session('app', @refresh_token)`, body)
}

func promote(ctx context.Context, u user, body pgx.NamedArgs) ([]object, error) {
	return u.run(ctx, `SELECT sub::text, access_token, refresh_token FROM anon_auth.promote_anonymous_user('app',
		email => @email, password => @password, refresh_token => @refresh_token)`, body)
}

// end

func listNotes(ctx context.Context, u user, _ pgx.NamedArgs) ([]object, error) {
	return u.run(ctx, "SELECT user_id::text, body FROM notes")
}

func addNote(ctx context.Context, u user, body pgx.NamedArgs) ([]object, error) {
	return u.run(ctx, "INSERT INTO notes (body) VALUES (@body) RETURNING user_id::text, body", body)
}

// errors: the status and body for an error.
var statuses = map[string]int{
	"22023": 400, "AA016": 400, // an argument is missing or malformed
	"22P02": 400, "22021": 400, // a value is no uuid, for example; a text has a NUL
	"23503": 401, // the user of the token was deleted or merged
	"AA003": 401, "AA004": 401, "AA005": 401, "AA006": 401, "AA012": 401, "AA013": 401, "AA014": 401, "AA026": 401, "AA027": 401, "AA028": 401, "AA029": 401, "AA031": 401,
	"AA022": 401,                             // the user must log in again first
	"42501": 403,                             // a row without a user, among others
	"AA007": 403, "AA015": 403, "AA024": 403, // the user is disabled; sign-up is closed; the user is a guest
	"AA008": 409, "AA009": 409, // the user is not a guest; the login ID is taken
	"AA023": 409, "AA030": 409, // the last credential; sign up, or log in instead
	"AA010": 422, "AA011": 422, "AA032": 422, // the login ID, password or profile is not allowed
	"AA018": 429, "AA019": 429,
	"40001": 503, "57014": 503, // after three attempts; statement_timeout
	"AA025": 503, // the worker has not fetched the provider's key yet
}

func errorAnswer(err error) (int, object) {
	var failure *pgconn.PgError
	if !errors.As(err, &failure) {
		failure = &pgconn.PgError{}
	}
	body := object{}
	switch failure.Code {
	case "AA009", "AA010", "AA011", "AA018", "AA019", "AA022", "AA027", "AA029", "AA030", "AA032":
		if json.Unmarshal([]byte(failure.Detail), &body) != nil {
			body = object{}
		}
	}
	body["error"] = failure.Code
	status := statuses[failure.Code]
	if status == 0 {
		status = 500
		log.Printf("SQLSTATE %q", failure.Code) // the message can contain a password
	}
	return status, body
}

// end

type call func(context.Context, user, pgx.NamedArgs) ([]object, error)

// handler: list says that the rows are the body, however many there are.
func handler(run call, list bool) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		var parameters pgx.NamedArgs
		if err := json.NewDecoder(request.Body).Decode(&parameters); err != nil && err != io.EOF {
			http.Error(response, "{}", http.StatusBadRequest)
			return
		}
		// Behind a proxy, use the address that the proxy states.
		remote, err := netip.ParseAddrPort(request.RemoteAddr)
		if err != nil {
			http.Error(response, "{}", http.StatusInternalServerError)
			return
		}
		token := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
		rows, err := run(request.Context(), user{remote.Addr(), token}, parameters)
		status, body := http.StatusOK, any(rows)
		switch {
		case err != nil:
			var failure object
			status, failure = errorAnswer(err)
			if seconds, ok := failure["retry_after"].(float64); ok {
				response.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
			}
			body = failure
		case !list && len(rows) == 0:
			status, body = http.StatusUnauthorized, object{"error": "wrong credentials"}
		case !list:
			body = rows[0]
		}
		response.Header().Set("Content-Type", "application/json")
		response.Header().Set("Cache-Control", "no-store")
		response.WriteHeader(status)
		_ = json.NewEncoder(response).Encode(body)
	}
}

func main() {
	var err error
	// If DATABASE is empty: PGHOST, PGDATABASE and PGUSER
	if pool, err = pgxpool.New(context.Background(), os.Getenv("DATABASE")); err != nil {
		log.Fatal("cannot use DATABASE")
	}
	http.HandleFunc("POST /guests", handler(signUp, false))
	http.HandleFunc("POST /challenge", handler(challenge, false))
	http.HandleFunc("POST /device", handler(device, false))
	http.HandleFunc("POST /login", handler(logIn, false))
	http.HandleFunc("POST /refresh", handler(refresh, false))
	http.HandleFunc("POST /promote", handler(promote, false))
	http.HandleFunc("GET /notes", handler(listNotes, true))
	http.HandleFunc("POST /notes", handler(addNote, false))
	port := os.Getenv("PORT")
	if port == "" {
		port = "8000"
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}
