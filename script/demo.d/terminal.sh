# shellcheck shell=bash
#
# The output of the demo: steps, shell commands, SQL as typed, short results.
# Colour only on a terminal that supports it; no line longer than the terminal.

terminal_setup() {
	bold='' dim='' red='' green='' cyan='' plain=''
	width=92
	step_number=0
	if [[ -t 1 && ${TERM:-dumb} != dumb ]]; then
		width=$(tput cols 2>/dev/null || echo 92)
		if [[ -z ${NO_COLOR:-} ]]; then
			bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' cyan=$'\e[36m' plain=$'\e[0m'
		fi
	fi
	((width <= 100)) || width=100
	((width >= 60)) || width=60
}

# A new step, in one line.
step() {
	step_number=$((step_number + 1))
	printf '\n%s%2d. %s%s\n' "$bold" "$step_number" "$1" "$plain"
}

note() {
	printf '    %s%s%s\n' "$dim" "$1" "$plain"
}

shell_line() {
	printf '    %s$ %s%s\n' "$cyan" "$1" "$plain"
}

# sql_lines DATABASE ROLE_SIGN SQL: show SQL as typed into psql.
sql_lines() {
	local line state='='
	while IFS= read -r line; do
		printf '    %s%s%s%s %s%s\n' "$cyan" "$1" "$state" "$2" "$line" "$plain"
		state='-'
		[[ $line != *';' ]] || state='='
	done <<<"$3"
}

# wrapped_lines NAME TEXT
wrapped_lines() {
	local line name=$1
	while IFS= read -r line; do
		printf '      %-16s %s\n' "$name" "${line% }"
		name=''
	done < <(fold -s -w $((width - 23)) <<<"$2")
}

# value_line NAME VALUE: show a value on one line; a long token is cut.
value_line() {
	local room=$((width - 23)) value=$2
	if ((${#value} <= room)); then
		printf '      %-16s %s\n' "$1" "$value"
	elif [[ $value == *' '* ]]; then
		wrapped_lines "$1" "$value"
	else
		printf '      %-16s %s\n' "$1" "${value:0:room-5}[...]"
	fi
}

# json_lines NAME JSON: show JSON; long values are cut.
json_lines() {
	wrapped_lines "$1" "$(jq -c 'walk(if type == "string" and length > 40
		then .[:12] + "[...]" else . end)' <<<"$2" | sed -e 's/,"/, "/g')"
}

error_lines() {
	local line
	while IFS= read -r line; do
		printf '      %s%s%s\n' "$red" "${line% }" "$plain"
	done < <(fold -s -w $((width - 6)) <<<"$1")
}

# ---- facts: each is checked, and the demo ends if one is wrong ----

good() {
	printf '    %sok%s  %s\n' "$green" "$plain" "$1"
}

fail() {
	printf '%sscript/demo: step %d: %s%s\n' "$red" "$step_number" "$1" "$plain" >&2
	exit 1
}

# expect FACT EXPECTED ACTUAL
expect() {
	[[ $2 == "$3" ]] || fail "not true: $1 (expected \"$2\", got \"$3\")"
	good "$1"
}

# expect_not FACT UNEXPECTED ACTUAL
expect_not() {
	[[ $2 != "$3" ]] || fail "not true: $1 (got \"$3\")"
	good "$1"
}

say_all_good() {
	printf '\n%sThat was it: %d steps, and every "ok" was checked.%s\n' "$bold" "$step_number" "$plain"
}
