# shellcheck shell=bash
#
# The story: a guest with a device key becomes an account.  Every call and every
# result is real, and every fact is checked.
#
# shellcheck disable=SC2154  # the arrays "row" and "value" are in database.sh

admin=postgres
app=notes_app
password='correct horse battery staple'

story() {
	register_application
	make_device
	first_login
	look_at_tokens
	ask_userinfo
	come_back
	replay_request
	keep_app_data
	other_guest_sees_nothing
	promote
	old_session_is_dead
	log_in_with_password
	merge_another_guest
	verify_independently
	read_audit
	purge_and_ask_the_doctor
}

register_application() {
	step 'The DBA installs the extension and registers an application.'
	query $admin <<-'SQL'
		CREATE EXTENSION anon_auth;
		UPDATE anon_auth.settings SET issuer = 'https://notes.example';
		SELECT anon_auth.create_client('notes', 'native', id_token => 'always');
	SQL
	expect 'the application has its client_id' notes "${row[create_client]}"
	note 'The application connects as a role that may only call the client functions:'
	query $admin <<-'SQL'
		CREATE ROLE notes_app LOGIN;
		SELECT anon_auth.grant_client_api('notes_app');
	SQL
	query_refused $app 42501 'the role cannot read the tables of the extension' <<-'SQL'
		SELECT * FROM anon_auth.users;
	SQL
}

make_device() {
	step 'A device creates a P-256 key pair. The private key never leaves the device.'
	shell_line 'openssl ecparam -name prime256v1 -genkey -noout -out device.pem'
	make_device_key device.pem
	jwk=$(public_jwk device.pem)
	json_lines 'its public half' "$jwk"
}

get_challenge() {
	query $app <<-'SQL'
		SELECT * FROM anon_auth.create_challenge();
	SQL
	value[challenge]=${row[token]}
}

show_request() {
	json_lines 'header' "$(jwt_part "${value[jwt]}" 1)"
	json_lines 'payload' "$(jwt_part "${value[jwt]}" 2)"
}

first_login() {
	step 'The device signs a challenge with its key, and signs up as a guest.'
	get_challenge
	note 'The request, signed by openssl dgst -sha256 -sign device.pem:'
	value[jwt]=$(sign_request device.pem auth "${value[challenge]}" "$jwk")
	show_request
	query $app <<-'SQL'
		SELECT *
		  FROM anon_auth.authenticate_anonymously('notes', jwt => :'jwt');
	SQL
	sub=${row[sub]}
	value[access_token]=${row[access_token]}
	value[id_token]=${row[id_token]}
	[[ $sub =~ ^[0-9a-f-]{36}$ ]] || fail "the sub is no UUID: $sub"
	good "the guest is $sub"
}

look_at_tokens() {
	step 'The tokens identify the user. The decoded access token:'
	show_token "${value[access_token]}" iss aud sub client_id sid role is_anonymous
	note 'The decoded ID token:'
	show_token "${value[id_token]}" aud sub
	expect "both tokens contain the guest's sub" "$sub $sub" \
		"$(claim "${value[access_token]}" sub) $(claim "${value[id_token]}" sub)"
	expect 'the access token says that the user is a guest' true "$(claim "${value[access_token]}" is_anonymous)"
}

ask_userinfo() {
	step 'userinfo() returns what the application may know about the user.'
	query $app <<-'SQL'
		SELECT c->>'sub' AS sub,
		  c->>'https://authgear.com/claims/user/is_anonymous' AS is_anonymous
		  FROM anon_auth.userinfo(:'access_token') AS c;
	SQL
	expect 'userinfo() returns the guest' "$sub true" "${row[sub]} ${row[is_anonymous]}"
}

come_back() {
	step 'The same device logs in again, with nothing but its key.'
	get_challenge
	value[jwt]=$(sign_request device.pem auth "${value[challenge]}")
	show_request
	query $app <<-'SQL'
		SELECT sub, access_token, refresh_token
		  FROM anon_auth.authenticate_anonymously('notes', jwt => :'jwt');
	SQL
	value[access_token]=${row[access_token]}
	value[refresh_token]=${row[refresh_token]}
	expect 'the sub is the same as before' "$sub" "${row[sub]}"
}

replay_request() {
	step 'An attacker copies that request and sends it again.'
	query_refused $app AA005 'a replayed request is refused' <<-'SQL'
		SELECT *
		  FROM anon_auth.authenticate_anonymously('notes', jwt => :'jwt');
	SQL
}

keep_app_data() {
	step "The application's own table: foreign key to users, row-level security."
	query $admin <<-'SQL'
		CREATE TABLE notes (
		  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		  user_id uuid NOT NULL DEFAULT anon_auth.uid()
		          REFERENCES anon_auth.users (id) ON DELETE CASCADE,
		  body text NOT NULL);
		CREATE INDEX ON notes (user_id);
		ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own_notes ON notes
		  USING (user_id = (SELECT anon_auth.uid()));
		GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO notes_app;
	SQL
	note 'The guest writes a note. Its token applies until the end of the transaction.'
	query $app <<-'SQL'
		BEGIN;
		SELECT anon_auth.use_access_token(:'access_token');
		INSERT INTO notes (body) VALUES ('Buy milk') RETURNING user_id, body;
		COMMIT;
	SQL
	expect "the note belongs to the guest" "$sub" "${row[user_id]}"
}

other_guest_sees_nothing() {
	step 'Another guest, this one without a key, cannot see the note.'
	value[sub]=$sub
	query $app <<-'SQL'
		SELECT sub, access_token
		  FROM anon_auth.authenticate_anonymously('notes');
	SQL
	expect_not 'the sub is another one' "$sub" "${row[sub]}"
	value[other_token]=${row[access_token]}
	query $app <<-'SQL'
		BEGIN;
		SELECT anon_auth.use_access_token(:'other_token');
		SELECT count(*) AS notes FROM notes;
		COMMIT;
	SQL
	expect 'the other guest sees no note' 0 "${row[notes]}"
	query_refused $app 42501 "the other guest cannot insert a note for the first guest" <<-'SQL'
		BEGIN;
		SELECT anon_auth.use_access_token(:'other_token');
		INSERT INTO notes (user_id, body) VALUES (:'sub', 'Forged');
	SQL
	query $app <<-'SQL'
		SELECT count(*) AS notes FROM notes;
	SQL
	expect 'without a token there is no user, and no note is visible' 0 "${row[notes]}"
}

promote() {
	step 'The guest becomes an account. The device signs with action "promote".'
	get_challenge
	value[jwt]=$(sign_request device.pem promote "${value[challenge]}")
	value[password]=$password
	show_request
	query $app <<-'SQL'
		SELECT sub, access_token, refresh_token
		  FROM anon_auth.promote_anonymous_user('notes',
		         email => 'Ada@example.com', password => :'password',
		         jwt => :'jwt');
	SQL
	value[old_refresh_token]=${value[refresh_token]}
	value[access_token]=${row[access_token]}
	expect "the sub is the same as the guest's" "$sub" "${row[sub]}"
	expect 'the new access token says that the user is not a guest' false \
		"$(claim "${value[access_token]}" is_anonymous)"
	query $app <<-'SQL'
		BEGIN;
		SELECT anon_auth.use_access_token(:'access_token');
		SELECT body FROM notes;
		COMMIT;
	SQL
	expect 'the user still has the note' 'Buy milk' "${row[body]:-}"
}

old_session_is_dead() {
	step "The guest's credentials no longer work."
	query_refused $app AA006 "the guest's refresh token is refused" <<-'SQL'
		SELECT *
		  FROM anon_auth.refresh_session('notes', :'old_refresh_token');
	SQL
	note 'The device signs a new challenge:'
	value[challenge]=$(psql_run $app 'SELECT token FROM anon_auth.create_challenge();' | cut -f 2)
	value[jwt]=$(sign_request device.pem auth "${value[challenge]}")
	query_refused $app AA031 'the device key is refused, too' <<-'SQL'
		SELECT *
		  FROM anon_auth.authenticate_anonymously('notes', jwt => :'jwt');
	SQL
}

log_in_with_password() {
	step 'The user now logs in with the password, on any device.'
	query $app <<-'SQL'
		SELECT *
		  FROM anon_auth.authenticate('notes', 'ada@EXAMPLE.com',
		                              :'password');
	SQL
	expect 'the sub is still the same' "$sub" "${row[sub]}"
	value[access_token]=${row[access_token]}
	value[wrong_password]='incorrect donkey'
	note 'A wrong password is a result, not an error, so that its event is kept:'
	query_nothing $app 'a wrong password returns no row' <<-'SQL'
		SELECT *
		  FROM anon_auth.authenticate('notes', 'ada@example.com',
		                              :'wrong_password');
	SQL
}

# On a second device, Ada was a guest before she logged in.
merge_another_guest() {
	step "A guest that already has an account is merged into it, with its rows."
	value[password]=$password
	query $admin <<-'SQL'
		UPDATE anon_auth.settings SET promotion_conflict = 'merge';
	SQL
	query $app <<-'SQL'
		SELECT sub, access_token, refresh_token
		  FROM anon_auth.authenticate_anonymously('notes');
	SQL
	value[second_guest]=${row[sub]}
	value[second_token]=${row[access_token]}
	value[second_refresh_token]=${row[refresh_token]}
	query $app <<-'SQL'
		BEGIN;
		SELECT anon_auth.use_access_token(:'second_token');
		INSERT INTO notes (body) VALUES ('Feed the cat') RETURNING body;
		COMMIT;
	SQL
	note 'It gives the login ID and the password of the account:'
	query $app <<-'SQL'
		SELECT sub, access_token
		  FROM anon_auth.promote_anonymous_user('notes',
		         email => 'ada@example.com', password => :'password',
		         refresh_token => :'second_refresh_token');
	SQL
	expect 'the guest is logged in to the account' "$sub" "${row[sub]}"
	value[access_token]=${row[access_token]}
	query $app <<-'SQL'
		BEGIN;
		SELECT anon_auth.use_access_token(:'access_token');
		SELECT string_agg(body, ', ' ORDER BY id) AS notes FROM notes;
		COMMIT;
	SQL
	expect 'the account has the notes of both' 'Buy milk, Feed the cat' "${row[notes]}"
	query $admin <<-'SQL'
		SELECT count(*) AS guests FROM anon_auth.users
		 WHERE id = :'second_guest';
	SQL
	expect 'the guest is deleted' 0 "${row[guests]}"
}

# Write the signature of a token to token.sig, and the signed text to token.txt.
take_token_apart() {
	printf '%s' "${1%.*}" >token.txt
	printf '%s' "${1##*.}" | base64url_decode | raw_to_der token.sig
}

verify_independently() {
	step 'Anybody can verify the access token with jwks(). Here openssl verifies it.'
	local key answer
	query $app <<-'SQL'
		SELECT anon_auth.jwks();
	SQL
	key=$(jq -c --arg kid "$(jwt_part "${value[access_token]}" 1 | jq -r .kid)" \
		'.keys[] | select(.kid == $kid)' <<<"${row[jwks]}")
	jwk_to_pem jwks.pem <<<"$key"
	take_token_apart "${value[access_token]}"
	shell_line 'openssl dgst -sha256 -verify jwks.pem -signature token.sig token.txt'
	answer=$(openssl dgst -sha256 -verify jwks.pem -signature token.sig token.txt 2>&1) || true
	printf '      %s\n' "$answer"
	expect 'openssl accepts the signature' 'Verified OK' "$answer"
	verify_tampered_token
}

verify_tampered_token() {
	local forged answer
	note 'The same token, but the payload now says that the user is a guest:'
	forged=$(jwt_part "${value[access_token]}" 2 | jq -c '.is_anonymous = true' | base64url_encode)
	value[forged_token]=$(cut -d . -f 1 <<<"${value[access_token]}").$forged.${value[access_token]##*.}
	take_token_apart "${value[forged_token]}"
	shell_line 'openssl dgst -sha256 -verify jwks.pem -signature token.sig token.txt'
	if answer=$(openssl dgst -sha256 -verify jwks.pem -signature token.sig token.txt 2>&1); then
		fail 'openssl accepts a tampered token'
	fi
	answer=${answer%%$'\n'*}
	printf '      %s\n' "$answer"
	expect 'openssl refuses the token' 'Verification failure' "$answer"
	query_refused $app AA014 'the database refuses the token' <<-'SQL'
		SELECT anon_auth.verify_jwt(:'forged_token');
	SQL
}

read_audit() {
	step 'The audit events of the user show what happened.'
	value[sub]=$sub
	query $admin <<-'SQL'
		SELECT string_agg(type, ', ' ORDER BY id) AS events
		  FROM anon_auth.events
		 WHERE user_id = :'sub';
	SQL
	local expected='user.created, user.authenticated, user.anonymous.promoted'
	expected+=', user.authenticated, authentication.failed'
	expected+=', user.authenticated, user.anonymous.merged'
	expect 'the events are the promotion, the wrong password, and the merge' "$expected" "${row[events]}"
}

# The guest without a key logs out, so nobody can log in to it again.
purge_and_ask_the_doctor() {
	step 'Maintenance: purge() deletes guests that nobody can log in as again.'
	query $app <<-'SQL'
		SELECT anon_auth.revoke(:'other_token');
	SQL
	query $admin <<-'SQL'
		SELECT guests, sessions, has_more FROM anon_auth.purge();
	SQL
	expect 'purge() deletes the guest that logged out' 1 "${row[guests]}"
	note 'doctor() lists configuration problems, each with its fix (here without the notice'
	note 'that the master key is in the data directory, as it is by default):'
	query $admin <<-'SQL'
		ALTER TABLE notes DROP CONSTRAINT notes_user_id_fkey,
		  ADD FOREIGN KEY (user_id) REFERENCES anon_auth.users;
		SELECT severity, what, why, fix FROM anon_auth.doctor()
		  WHERE finding <> 'master_key_in_data_directory';
	SQL
	expect 'doctor() reports a foreign key that prevents the deletion of users' notice "${row[severity]}"
	value[fix]=${row[fix]}
	psql_run $admin "${row[fix]}" >/dev/null || fail 'the fix does not work'
	query_nothing $admin 'doctor() reports nothing after the fix' <<-'SQL'
		SELECT severity, what FROM anon_auth.doctor()
		  WHERE finding <> 'master_key_in_data_directory';
	SQL
}
