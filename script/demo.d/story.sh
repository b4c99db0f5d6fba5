# shellcheck shell=bash
#
# The story: a guest with a device key becomes an account.  Every call is made,
# every result is what came back, and every fact is checked.
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
		SELECT anon_auth.create_client('notes', 'native');
	SQL
	expect 'the application has its client_id' notes "${row[create_client]}"
	note 'The application connects as a role that may call the client functions only:'
	query $admin <<-'SQL'
		CREATE ROLE notes_app LOGIN;
		SELECT anon_auth.grant_client_api('notes_app');
	SQL
	query_refused $app 42501 'that role cannot read the tables behind them' <<-'SQL'
		SELECT * FROM anon_auth.users;
	SQL
}

make_device() {
	step 'A device makes a P-256 key pair. The private key never leaves it.'
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
	step 'The device signs a challenge with its key, and a guest is there.'
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
	step 'The tokens say who it is. Decoded, the access token:'
	show_token "${value[access_token]}" iss aud sub client_id sid role is_anonymous
	note 'and the ID token:'
	show_token "${value[id_token]}" aud sub
	expect 'both name the guest' "$sub $sub" \
		"$(claim "${value[access_token]}" sub) $(claim "${value[id_token]}" sub)"
	expect 'the access token says: a guest' true "$(claim "${value[access_token]}" is_anonymous)"
}

ask_userinfo() {
	step 'What the application may know of the user: userinfo().'
	query $app <<-'SQL'
		SELECT c->>'sub' AS sub,
		  c->>'https://authgear.com/claims/user/is_anonymous' AS is_anonymous
		  FROM anon_auth.userinfo(:'access_token') AS c;
	SQL
	expect 'it is the guest' "$sub true" "${row[sub]} ${row[is_anonymous]}"
}

come_back() {
	step 'The same device comes back, with nothing but its key.'
	get_challenge
	value[jwt]=$(sign_request device.pem auth "${value[challenge]}")
	show_request
	query $app <<-'SQL'
		SELECT sub, access_token, refresh_token
		  FROM anon_auth.authenticate_anonymously('notes', jwt => :'jwt');
	SQL
	value[access_token]=${row[access_token]}
	value[refresh_token]=${row[refresh_token]}
	expect 'the same sub as before' "$sub" "${row[sub]}"
}

replay_request() {
	step 'Somebody has copied that request and sends it once more.'
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
	note 'The guest writes a note. Its token counts until the end of the transaction.'
	query $app <<-'SQL'
		BEGIN;
		SELECT anon_auth.use_access_token(:'access_token');
		INSERT INTO notes (body) VALUES ('Buy milk') RETURNING user_id, body;
		COMMIT;
	SQL
	expect "the note is the guest's" "$sub" "${row[user_id]}"
}

other_guest_sees_nothing() {
	step 'Another guest, this one without a key, sees none of it.'
	value[sub]=$sub
	query $app <<-'SQL'
		SELECT sub, access_token
		  FROM anon_auth.authenticate_anonymously('notes');
	SQL
	expect_not 'it is somebody else' "$sub" "${row[sub]}"
	value[other_token]=${row[access_token]}
	query $app <<-'SQL'
		BEGIN;
		SELECT anon_auth.use_access_token(:'other_token');
		SELECT count(*) AS notes FROM notes;
		COMMIT;
	SQL
	expect 'it sees no note' 0 "${row[notes]}"
	query_refused $app 42501 "it cannot write in the first guest's name" <<-'SQL'
		BEGIN;
		SELECT anon_auth.use_access_token(:'other_token');
		INSERT INTO notes (user_id, body) VALUES (:'sub', 'Forged');
	SQL
	query $app <<-'SQL'
		SELECT count(*) AS notes FROM notes;
	SQL
	expect 'without a token there is nobody, and no note' 0 "${row[notes]}"
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
	expect 'the same sub as the guest had' "$sub" "${row[sub]}"
	expect 'the new access token says: no guest any more' false \
		"$(claim "${value[access_token]}" is_anonymous)"
	query $app <<-'SQL'
		BEGIN;
		SELECT anon_auth.use_access_token(:'access_token');
		SELECT body FROM notes;
		COMMIT;
	SQL
	expect 'the note is still there' 'Buy milk' "${row[body]:-}"
}

old_session_is_dead() {
	step 'What the guest held opens the account no more.'
	query_refused $app AA006 "the guest's refresh token is dead" <<-'SQL'
		SELECT *
		  FROM anon_auth.refresh_session('notes', :'old_refresh_token');
	SQL
	note 'The device signs a new challenge:'
	value[challenge]=$(psql_run $app 'SELECT token FROM anon_auth.create_challenge();' | cut -f 2)
	value[jwt]=$(sign_request device.pem auth "${value[challenge]}")
	query_refused $app AA004 'the device key is gone from the account, too' <<-'SQL'
		SELECT *
		  FROM anon_auth.authenticate_anonymously('notes', jwt => :'jwt');
	SQL
}

log_in_with_password() {
	step 'From now on it logs in with its password, on any device.'
	query $app <<-'SQL'
		SELECT *
		  FROM anon_auth.authenticate('notes', 'ada@EXAMPLE.com',
		                              :'password');
	SQL
	expect 'still the same sub' "$sub" "${row[sub]}"
	value[access_token]=${row[access_token]}
	value[wrong_password]='incorrect donkey'
	note 'A wrong password is a result, not an error, so that its event is kept:'
	query_nothing $app 'a wrong password gives no row' <<-'SQL'
		SELECT *
		  FROM anon_auth.authenticate('notes', 'ada@example.com',
		                              :'wrong_password');
	SQL
}

# On a second device Ada was a guest before she thought of logging in.
merge_another_guest() {
	step "A guest who has an account already is merged into it, with what it owns."
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
	expect 'it is the account now' "$sub" "${row[sub]}"
	value[access_token]=${row[access_token]}
	query $app <<-'SQL'
		BEGIN;
		SELECT anon_auth.use_access_token(:'access_token');
		SELECT string_agg(body, ', ' ORDER BY id) AS notes FROM notes;
		COMMIT;
	SQL
	expect 'which has the notes of both' 'Buy milk, Feed the cat' "${row[notes]}"
	query $admin <<-'SQL'
		SELECT count(*) AS guests FROM anon_auth.users
		 WHERE id = :'second_guest';
	SQL
	expect 'and the guest is gone' 0 "${row[guests]}"
}

# Writes the signature of a token to token.sig, and what it signs to token.txt.
take_token_apart() {
	printf '%s' "${1%.*}" >token.txt
	printf '%s' "${1##*.}" | base64url_decode | raw_to_der token.sig
}

verify_independently() {
	step 'Anybody can verify the access token with jwks(). Here openssl does.'
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
	expect 'the signature is good' 'Verified OK' "$answer"
	verify_tampered_token
}

verify_tampered_token() {
	local forged answer
	note 'The same token, but the payload now says that its bearer is a guest:'
	forged=$(jwt_part "${value[access_token]}" 2 | jq -c '.is_anonymous = true' | base64url_encode)
	value[forged_token]=$(cut -d . -f 1 <<<"${value[access_token]}").$forged.${value[access_token]##*.}
	take_token_apart "${value[forged_token]}"
	shell_line 'openssl dgst -sha256 -verify jwks.pem -signature token.sig token.txt'
	if answer=$(openssl dgst -sha256 -verify jwks.pem -signature token.sig token.txt 2>&1); then
		fail 'openssl accepts a tampered token'
	fi
	answer=${answer%%$'\n'*}
	printf '      %s\n' "$answer"
	expect 'openssl refuses it' 'Verification failure' "$answer"
	query_refused $app AA014 'and so does the database' <<-'SQL'
		SELECT anon_auth.verify_jwt(:'forged_token');
	SQL
}

read_audit() {
	step 'What happened stands in the audit events of the user.'
	value[sub]=$sub
	query $admin <<-'SQL'
		SELECT string_agg(type, ', ' ORDER BY id) AS events
		  FROM anon_auth.events
		 WHERE user_id = :'sub';
	SQL
	local expected='user.created, user.authenticated, user.anonymous.promoted'
	expected+=', user.authenticated, authentication.failed'
	expected+=', user.authenticated, user.anonymous.merged'
	expect 'from guest to account, the wrong password, and the merge' "$expected" "${row[events]}"
}

# The guest without a key that saw nothing logs out: nobody can come back to it.
purge_and_ask_the_doctor() {
	step 'Maintenance: purge() deletes guests that nobody can log in as again.'
	query $app <<-'SQL'
		SELECT anon_auth.revoke(:'other_token');
	SQL
	query $admin <<-'SQL'
		SELECT guests, sessions, has_more FROM anon_auth.purge();
	SQL
	expect 'the guest who has logged out' 1 "${row[guests]}"
	note 'doctor() lists configuration problems, each with its fix (here without the notice'
	note 'that the master key is in the data directory, as it is by default):'
	query $admin <<-'SQL'
		ALTER TABLE notes DROP CONSTRAINT notes_user_id_fkey,
		  ADD FOREIGN KEY (user_id) REFERENCES anon_auth.users;
		SELECT severity, what, why, fix FROM anon_auth.doctor()
		  WHERE finding <> 'master_key_in_data_directory';
	SQL
	expect 'a foreign key that keeps users from being deleted' notice "${row[severity]}"
	value[fix]=${row[fix]}
	psql_run $admin "${row[fix]}" >/dev/null || fail 'the fix does not work'
	query_nothing $admin 'and after its fix there is nothing' <<-'SQL'
		SELECT severity, what FROM anon_auth.doctor()
		  WHERE finding <> 'master_key_in_data_directory';
	SQL
}
