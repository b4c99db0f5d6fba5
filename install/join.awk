# Joins the parts of an install script.  A line @FILE@ stands for the lines of that
# file, whose path starts at the variable "root".  The parts use it inside dollar
# quotes, so a file needs no quoting.

function fail(message)
{
	print FILENAME ":" FNR ": " message > "/dev/stderr"
	failed = 1
	exit 1
}

/^@[^@ ]+@$/ {
	file = root "/" substr($0, 2, length($0) - 2)
	while ((status = (getline line < file)) > 0) {
		if (index(line, "$$") > 0)
			fail(file " contains $$, which would end the body of a function")
		print line
	}
	if (status < 0)
		fail("cannot read " file)
	close(file)
	next
}

{ print }
