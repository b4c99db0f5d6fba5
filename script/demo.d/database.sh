# shellcheck shell=bash
#
# Runs the SQL of the demo: shows it as typed, and runs it with psql. :'name' in
# the SQL is the entry "name" of the array "value".  It reaches psql through the
# environment, so that no token is visible in the process list.
#
# shellcheck disable=SC2034  # the story reads the array "row"

declare -A value=()
declare -A row=()

# psql_run ROLE SQL
psql_run() (
	names=$(grep -o ":'[a-z_]*'" <<<"$2" | tr -d ":'" | sort -u) || true
	for name in $names; do
		export "demo_$name=${value[$name]}"
	done
	{
		for name in $names; do
			printf '\\getenv %s demo_%s\n' "$name" "$name"
		done
		printf '%s\n' "$2"
	} | psql -X -q -U "$1" -A -t -x -F $'\t' -P 'null=(null)' \
		-v ON_ERROR_STOP=1 -v VERBOSITY=verbose -v SHOW_CONTEXT=never
)

show_sql() {
	if [[ $1 == "$PGUSER" ]]; then
		sql_lines "$PGDATABASE" '#' "$2"
	else
		sql_lines "$PGDATABASE" '>' "$2"
	fi
}

show_value() {
	if [[ $2 == '{'* ]]; then
		json_lines "$1" "$2"
	elif [[ -n $2 ]]; then
		value_line "$1" "$2"
	fi
}

# query ROLE <SQL: run SQL that must succeed.  Shows each result, one line for
# each column, and leaves the columns of the last result in the array "row".
query() {
	local sql result name content
	sql=$(cat)
	show_sql "$1" "$sql"
	result=$(psql_run "$1" "$sql" 2>&1) || fail "the database refused:"$'\n'"$result"
	row=()
	while IFS=$'\t' read -r name content; do
		[[ -n $name ]] || continue
		row[$name]=$content
		show_value "$name" "$content"
	done <<<"$result"
}

# query_nothing ROLE FACT <SQL: run SQL that must succeed and return no row.
query_nothing() {
	local sql result
	sql=$(cat)
	show_sql "$1" "$sql"
	result=$(psql_run "$1" "$sql" 2>&1) || fail "the database refused:"$'\n'"$result"
	printf '      %s\n' "${result:-(0 rows)}"
	expect "$2" '' "$result"
}

# query_refused ROLE SQLSTATE FACT <SQL: run SQL that must fail with this
# SQLSTATE.
query_refused() {
	local sql result
	sql=$(cat)
	show_sql "$1" "$sql"
	if result=$(psql_run "$1" "$sql" 2>&1 >/dev/null); then
		fail "not true: $3 (there was no error)"
	fi
	result=$(sed -e '/^LOCATION:/d' <<<"$result")
	error_lines "$result"
	[[ $result == "ERROR:  $2: "* ]] || fail "not true: $3 (expected SQLSTATE $2)"
	good "$3"
}
