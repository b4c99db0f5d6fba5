# shellcheck shell=bash
#
# The device and an independent verifier: JSON Web Tokens with only the openssl
# command, jq and coreutils.  Nothing here asks the database.

base64url_encode() {
	basenc --base64url -w 0 | tr -d '='
}

base64url_decode() {
	local text
	text=$(cat)
	while ((${#text} % 4 != 0)); do
		text+='='
	done
	basenc --base64url -d <<<"$text"
}

hex_to_bytes() {
	printf '%b' "$(sed 's/../\\x&/g')"
}

bytes_to_hex() {
	od -An -v -tx1 | tr -d ' \n'
}

# make_device_key FILE: create a P-256 key pair.  The private part stays in the
# file.
make_device_key() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$1"
}

# public_jwk FILE: print the public part as a JSON Web Key.  The last 64 bytes of
# a P-256 public key are its coordinates x and y.
public_jwk() {
	local point
	point=$(openssl pkey -in "$1" -pubout -outform DER | tail -c 64 | bytes_to_hex)
	jq -cn --arg x "$(hex_to_bytes <<<"${point:0:64}" | base64url_encode)" \
		--arg y "$(hex_to_bytes <<<"${point:64}" | base64url_encode)" \
		'{kty: "EC", crv: "P-256", x: $x, y: $y}'
}

# der_to_raw: convert a signature. openssl writes an ASN.1 sequence of R and S;
# a token has 32 bytes of each.
der_to_raw() {
	local number
	openssl asn1parse -inform DER | sed -n 's/.*INTEGER *://p' | while read -r number; do
		printf '%64s' "$number" | tr ' ' '0'
	done | hex_to_bytes
}

# raw_to_der FILE <bytes: the reverse of der_to_raw.
raw_to_der() {
	local raw
	raw=$(bytes_to_hex)
	printf 'asn1=SEQUENCE:s\n[s]\nr=INTEGER:0x%s\ns=INTEGER:0x%s\n' "${raw:0:64}" "${raw:64}" >"$1.conf"
	openssl asn1parse -genconf "$1.conf" -noout -out "$1"
}

# sign_request KEY_FILE ACTION CHALLENGE [JWK]: print the request that a device
# signs.  JWK is the public key, which only a first request contains.
sign_request() {
	local header payload now input kid
	kid=$(public_jwk "$1" | jwk_thumbprint)
	now=$(date +%s)
	header=$(jq -cn --arg kid "$kid" --argjson jwk "${4:-null}" \
		'{typ: "vnd.authgear.anonymous-request", alg: "ES256", kid: $kid}
			+ if $jwk then {jwk: $jwk} else {} end')
	payload=$(jq -cn --argjson now "$now" --arg action "$2" --arg challenge "$3" \
		'{iat: $now, exp: ($now + 60), challenge: $challenge, action: $action}')
	input=$(printf '%s' "$header" | base64url_encode).$(printf '%s' "$payload" | base64url_encode)
	printf '%s.%s' "$input" \
		"$(printf '%s' "$input" | openssl dgst -sha256 -sign "$1" | der_to_raw | base64url_encode)"
}

# RFC 7638: SHA-256 over the required members in alphabetic order.
jwk_thumbprint() {
	jq -jc '{crv, kty, x, y}' | openssl dgst -sha256 -binary | base64url_encode
}

# jwt_part TOKEN NUMBER: header (1) or payload (2) as JSON.
jwt_part() {
	cut -d . -f "$2" <<<"$1" | base64url_decode
}

# claim TOKEN NAME
claim() {
	jwt_part "$1" 2 | jq -r --arg name "$2" '.[$name]'
}

# show_token TOKEN CLAIM...: show the header, the named claims, and the names of
# the other claims.
show_token() {
	local payload name
	json_lines 'header' "$(jwt_part "$1" 1)"
	payload=$(jwt_part "$1" 2)
	shift
	for name in "$@"; do
		value_line "$name" "$(jq -c --arg name "$name" '.[$name]' <<<"$payload")"
	done
	value_line 'and' "$(jq -r '[keys_unsorted[] | sub("^https://authgear.com/claims/user/"; "")]
		- $ARGS.positional | unique | join(", ")' --args "$@" <<<"$payload")"
}

# jwk_to_pem FILE <JWK: convert a P-256 public key for openssl.  The bytes before
# the point are the same for every such key (RFC 5480).
jwk_to_pem() {
	local jwk prefix=3059301306072a8648ce3d020106082a8648ce3d03010703420004
	jwk=$(cat)
	{
		hex_to_bytes <<<"$prefix"
		jq -r .x <<<"$jwk" | base64url_decode
		jq -r .y <<<"$jwk" | base64url_decode
	} | openssl pkey -pubin -inform DER -out "$1"
}
