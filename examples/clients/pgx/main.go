// pgx: a device signs up with its key, writes a note, logs in again, and becomes an
// account.  Go's standard library creates the key and the signatures.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"
)

type device struct {
	kid string
	key *ecdsa.PrivateKey
}

type session struct{ sub, accessToken string }

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func encodeJSON(value any) string { return encode(must(json.Marshal(value))) }

// request signs a new challenge.  Only the sign-up request contains the public key.
func (d device) request(ctx context.Context, db *pgx.Conn, action string, withKey bool) string {
	var challenge string
	if err := db.QueryRow(ctx, "SELECT token FROM anon_auth.create_challenge()").Scan(&challenge); err != nil {
		log.Fatal(err)
	}
	header := map[string]any{"alg": "ES256", "typ": "vnd.authgear.anonymous-request", "kid": d.kid}
	if withKey {
		point := must(d.key.PublicKey.ECDH()).Bytes() // 4, x, y
		header["jwk"] = map[string]string{"kty": "EC", "crv": "P-256", "kid": d.kid,
			"x": encode(point[1:33]), "y": encode(point[33:])}
	}
	input := encodeJSON(header) + "." + encodeJSON(map[string]string{"challenge": challenge, "action": action})
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, d.key, digest[:])
	if err != nil {
		log.Fatal(err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + encode(signature[:])
}

func start(ctx context.Context, db *pgx.Conn, sql string, arguments ...any) (s session) {
	if err := db.QueryRow(ctx, "SELECT sub::text, access_token FROM "+sql, arguments...).Scan(&s.sub, &s.accessToken); err != nil {
		log.Fatal(err)
	}
	return s
}

// as runs a statement as the user of a session, and returns the number of rows that
// it returned or changed.
func (s session) as(ctx context.Context, db *pgx.Conn, sql string, arguments ...any) int64 {
	var rows int64
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT anon_auth.use_access_token($1)", s.accessToken); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, sql, arguments...)
		rows = tag.RowsAffected()
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	return rows
}

func check(condition bool, message string) {
	if !condition {
		log.Fatal("failed: " + message)
	}
	fmt.Println(message)
}

func main() {
	ctx := context.Background()
	db := must(pgx.Connect(ctx, "")) // PGHOST, PGUSER, PGDATABASE
	defer db.Close(ctx)

	kid := make([]byte, 16)
	must(rand.Read(kid))
	d := device{hex.EncodeToString(kid), must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	const authenticate = "anon_auth.authenticate_anonymously('app', jwt => $1)"

	guest := start(ctx, db, authenticate, d.request(ctx, db, "auth", true))
	check(guest.sub != "", "signed up: a guest")
	check(guest.as(ctx, db, "INSERT INTO notes (body) VALUES ($1)", "Buy milk") == 1, "wrote a note")

	again := start(ctx, db, authenticate, d.request(ctx, db, "auth", false))
	check(again.sub == guest.sub && again.as(ctx, db, "SELECT body FROM notes") == 1, "came back: the same guest, 1 note")

	user := start(ctx, db, "anon_auth.promote_anonymous_user('app', email => $1, password => $2, jwt => $3)",
		d.kid+"@example.com", "correct horse", d.request(ctx, db, "promote", false))
	check(user.sub == guest.sub && user.as(ctx, db, "SELECT body FROM notes") == 1, "promoted: the same user, 1 note")
}
