# Joins the parts of an install script.  @FILE@ stands for the lines of that file,
# whose path starts at the variable "root".  The parts use it inside dollar quotes,
# so a file needs no quoting.

function fail(message)
{
	print FILENAME ":" FNR ": " message > "/dev/stderr"
	exit 1
}

match($0, /@src\/[^@ ]+@/) {
	file = root "/" substr($0, RSTART + 1, RLENGTH - 2)
	rest = substr($0, RSTART + RLENGTH)
	printf "%s", substr($0, 1, RSTART - 1)
	while ((status = (getline line < file)) > 0) {
		if (line ~ /\$[a-z]*\$/)
			fail(file " contains a dollar quote: " line)
		print line
	}
	if (status < 0)
		fail("cannot read " file)
	close(file)
	print rest
	next
}

{ print }
