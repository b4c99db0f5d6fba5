# shellcheck shell=bash
#
# script/instrument.sh: servers that check the code while it is tested.  Sourced
# by script/test, after script/lib.sh.
#
#   instrument_build            prints the arguments for build()
#   instrument_server           replaces the servers of the private copy
#   instrument_reports          prints the reports, and sets REPORTS to their
#                               number
#
# INSTRUMENT is the kind: "assertions" (those of our code and of PostgreSQL's
# headers), "sanitizers" (AddressSanitizer and UndefinedBehaviorSanitizer of
# gcc), "valgrind" (a PostgreSQL configured with CPPFLAGS=-DUSE_VALGRIND reports
# more; VALGRIND_SUPPRESSIONS is its file src/tools/valgrind.supp), "coverage"
# (gcov), or empty.

instrument_build() {
	case $INSTRUMENT in
		sanitizers) printf '%s\n' "COPT=-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" ;;
		assertions) printf '%s\n' "COPT=-Werror -DUSE_ASSERT_CHECKING" ;;
		coverage) printf '%s\n' "COPT=-O0 --coverage -fprofile-update=atomic" ;;
		valgrind) printf '%s\n' "COPT=-O1 -g" ;;
		*) printf '%s\n' "COPT=-Werror" ;;
	esac
}

# Print the commands of the script that replaces the server.
instrument_exec() {
	case $INSTRUMENT in
		sanitizers)
			# Tests preload a library that sets the clock.
			printf 'export LD_PRELOAD=%q${LD_PRELOAD:+:$LD_PRELOAD} ASAN_OPTIONS=%q UBSAN_OPTIONS=%q\n' "$(gcc -print-file-name=libasan.so)" \
				"detect_leaks=0:quarantine_size_mb=8:log_path=$WORK/reports/asan" "print_stacktrace=1:log_path=$WORK/reports/ubsan"
			# "pg_ctl restart" starts the server by the name that it was called
			# with.
			printf '%s\n' 'exec -a "$0" "$0.real" "$@"'
			;;
		valgrind)
			printf 'exec valgrind --quiet --trace-children=yes --leak-check=no --error-limit=no --log-file=%q %s "$0.real" "$@"\n' \
				"$WORK/reports/valgrind.%p" "${VALGRIND_SUPPRESSIONS:+--suppressions=$VALGRIND_SUPPRESSIONS}"
			;;
	esac
}

instrument_server() {
	[[ $INSTRUMENT == sanitizers || $INSTRUMENT == valgrind ]] || return 0
	rm -rf "$WORK/reports"
	as_user mkdir -p reports
	if [[ ! -e $PGBIN/postgres.real ]]; then
		as_user mv "$PGBIN/postgres" "$PGBIN/postgres.real"
	fi
	write_file "$PGBIN/postgres" '#!/bin/bash' "$(instrument_exec)"
	as_user chmod 755 "$PGBIN/postgres"
	as_user timeout 60 "$PGBIN/postgres" -V >/dev/null ||
		die "$("$PG_CONFIG" --version) does not run with $INSTRUMENT (Debian's never does): set PG_CONFIG to another one"
}

instrument_reports() {
	local report
	REPORTS=0
	[[ -d $WORK/reports ]] || return 0
	while IFS= read -r report; do
		REPORTS=$((REPORTS + 1))
		printf '\n---- %s\n' "$report"
		head -n 60 "$report"
	done < <(find "$WORK/reports" -type f -size +0 | sort)
}

# Exclude branches inside PostgreSQL's macros: ereport() alone has two that are
# never taken.
instrument_coverage() {
	local info=$WORK/reports/coverage.info
	local lcov=(lcov --quiet --rc lcov_branch_coverage=1
		--rc 'lcov_excl_br_line=\b(ereport|elog|Assert|PG_TRY|PG_CATCH|PG_END_TRY|PG_RETURN_NULL|PG_GETARG_\w+)\b')

	as_user mkdir -p reports
	if ! {
		as_user "${lcov[@]}" --capture --base-directory "$WORK/src" --directory "$WORK/src" --no-external \
			--output-file "$info.raw" &&
			as_user "${lcov[@]}" --extract "$info.raw" "$WORK/src/src/*" --output-file "$info"
	} >"$SCRATCH/lcov.log" 2>&1; then
		die "lcov failed: $(cat "$SCRATCH/lcov.log")"
	fi
	as_user sed -i "s#^SF:$WORK/src/#SF:#" "$info"
	coverage_lines_left "$info"
	coverage_table "$info"
}

# List the lines that no test ran, by the reasons of script/coverage.reasons.
coverage_lines_left() {
	awk -F '[:,]' '$1 == "SF" { file = $2 } $1 == "DA" && $3 == 0 { print file ":" $2 }' "$1" | sort -u |
		while IFS=: read -r file line; do
			printf '%s:%s\t%s: %s\n' "$file" "$line" "$file" "$(sed -n "${line}{s/^[[:space:]]*//;p}" "$WORK/src/$file")"
		done |
		awk -F '\t' '
			FNR == NR { if (!/^#/) { pattern[++n] = $1; reason[n] = $2 } next }
			{
				for (i = 1; i <= n && $2 !~ pattern[i]; i++);
				why = i <= n ? reason[i] : "not tested yet"
				if (!(why in lines)) order[++kinds] = why
				count[why]++
				lines[why] = lines[why] "    " $1 substr($2, index($2, ":")) "\n"
			}
			END { for (i = 1; i <= kinds; i++) printf "\nNever run (%d lines): %s\n%s", count[order[i]], order[i], lines[order[i]] }
		' "$ROOT/script/coverage.reasons" -
}

coverage_table() {
	awk -F '[:,]' '
		function percent(hit, found) { return found ? sprintf("%5.1f %% of %5d", 100 * hit / found, found) : "none" }
		function row(name) {
			printf "  %-40s lines %-16s  branches %s\n", name, percent(lines_hit[name], lines[name]), percent(branches_hit[name], branches[name])
		}
		BEGIN { printf "\nCoverage:\n"; total = "src/" }
		$1 == "SF" { file = $2 }
		$1 == "DA" { lines[file]++; lines[total]++; if ($3 > 0) { lines_hit[file]++; lines_hit[total]++ } }
		$1 == "BRDA" { branches[file]++; branches[total]++; if ($5 > 0) { branches_hit[file]++; branches_hit[total]++ } }
		$1 == "end_of_record" && !(file in seen) { seen[file]; names[++n] = file }
		END { for (i = 1; i <= n; i++) row(names[i]); row(total) }' "$1"
}
