# Makes an update script: the whole of the install files that have changed, after
# the script of the version that is updated.
#
#   awk -f make-update.awk anon_auth--OLD.sql install/FILE.sql...
#
# What the old version has is replaced (a type, left as it is), and keeps its rights: a REVOKE in an update
# would make what an administrator has granted since part of the extension, and
# pg_dump would leave it out.
function name_in(text) {
	return substr(text, 1, index(text "(", "(") - 1)
}
FNR == NR {
	if (/^CREATE (FUNCTION|VIEW|TYPE) /)
		old[name_in($3)] = 1
	next
}
/^CREATE TYPE / && name_in($3) in old {
	in_type = 1
}
in_type {
	in_type = !/;$/
	next
}
/^CREATE (FUNCTION|VIEW) / && name_in($3) in old {
	sub(/^CREATE/, "CREATE OR REPLACE")
}
/^REVOKE ALL ON / && name_in($4 == "FUNCTION" ? $5 : $4) in old {
	next
}
{ print }
