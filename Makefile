# anon_auth: built with PGXS.  `make && make install` with any PG_CONFIG.

srcdir ?= .

# anon_auth, and the extensions that add to it.  All have one library and one version.
EXTENSION = $(sort $(patsubst $(srcdir)/%.control,%,$(wildcard $(srcdir)/*.control)))
MODULE_big = anon_auth
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'$$/\1/p" $(srcdir)/anon_auth.control)

JOSE_OBJS = $(patsubst $(srcdir)/%.c,%.o,$(sort $(wildcard $(srcdir)/src/jose/*.c $(srcdir)/src/webauthn/*.c)))
OBJS = $(patsubst $(srcdir)/%.c,%.o,$(sort $(wildcard $(srcdir)/src/*.c $(srcdir)/src/*/*.c)))
OWN_HEADERS = $(wildcard $(srcdir)/src/*.h $(srcdir)/src/*/*.h)

# script/columns makes SQL and C from lists of columns, into a directory "generated".
GENERATED_SQL = generated/settings.sql generated/clients.sql
GENERATED_HEADERS = generated/settings_columns.h generated/clients_columns.h

# The install scripts are written in parts, one subject a file, and joined here.
DATA_built = $(EXTENSION:%=%--$(EXTVERSION).sql)
DATA = $(wildcard $(srcdir)/upgrade/*.sql)

PG_CPPFLAGS = -I. -I$(srcdir)/src -DANON_AUTH_VERSION='"$(EXTVERSION)"'
ifneq ($(wildcard $(srcdir)/src/citus/*.c),)
PG_CPPFLAGS += -DANON_AUTH_CITUS
endif
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare
SHLIB_LINK = -lsodium -lcrypto -lnettle -lcbor -licui18n -licuuc

# PostgreSQL loads modules with RTLD_GLOBAL, and hides what they do not mark for
# export only since version 16.
SHLIB_EXPORTS = exports.txt

# First of all, the tests' databases get a master key file of their own.
REGRESS = own_master_key $(filter-out own_master_key, \
	$(patsubst $(srcdir)/sql/%.sql,%,$(sort $(wildcard $(srcdir)/sql/*.sql))))
ISOLATION = iso_own_master_key $(filter-out iso_own_master_key, \
	$(patsubst $(srcdir)/specs/%.spec,%,$(sort $(wildcard $(srcdir)/specs/*.spec))))
REGRESS_OPTS = --encoding=UTF8
ISOLATION_OPTS = --load-extension=anon_auth --encoding=UTF8
TAP_TESTS ?= 1

EXTRA_CLEAN = generated unit/jose_test unit/uri_test unit/dpop_test unit/webauthn_test unit/*.o exports.list

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# A VPATH build has no directories for the objects.
$(shell mkdir -p $(dir $(OBJS)))

# The JOSE core must not use what OpenSSL 3 deprecates; postgres.h, which it
# does not include, would silence the warnings.
$(JOSE_OBJS): override CPPFLAGS += -DOPENSSL_API_COMPAT=30000 -DOPENSSL_NO_DEPRECATED

# PGXS knows no header dependencies.
$(OBJS) $(OBJS:.o=.bc): $(OWN_HEADERS) $(GENERATED_HEADERS)

# The schema and the functions of constraints come first, then the generated tables,
# then the other parts: $^ has each of them once.
INSTALL_PARTS = $(sort $(wildcard $(srcdir)/install/anon_auth/*.sql))
FIRST_PARTS = $(filter %/00_schema.sql %/05_uris.sql,$(INSTALL_PARTS))

anon_auth--$(EXTVERSION).sql: $(FIRST_PARTS) $(GENERATED_SQL) $(INSTALL_PARTS)
anon_auth_http--$(EXTVERSION).sql: $(sort $(wildcard $(srcdir)/install/http/*.sql)) $(wildcard $(srcdir)/src/http/pages/*)
anon_auth_citus--$(EXTVERSION).sql: $(sort $(wildcard $(srcdir)/install/citus/*.sql))
$(DATA_built): $(srcdir)/install/join.awk
	$(AWK) -v root=$(srcdir) -f $(srcdir)/install/join.awk $(filter %.sql,$^) > $@.new && mv $@.new $@

MAKE_COLUMNS = mkdir -p generated && $(or $(PERL),perl) $(srcdir)/script/columns

generated/%.sql: $(srcdir)/src/store/%.list $(srcdir)/script/columns
	$(MAKE_COLUMNS) sql $< > $@.new && mv $@.new $@

generated/%_columns.h: $(srcdir)/src/store/%.list $(srcdir)/script/columns
	$(MAKE_COLUMNS) header $< > $@.new && mv $@.new $@

# Unit tests: no server, no postgres.h.
unit/jose_test: unit/jose_test.c $(wildcard $(srcdir)/src/jose/*.c) $(wildcard $(srcdir)/src/jose/*.h)
	mkdir -p unit
	$(CC) -std=gnu11 -g -O1 -Wall -Wextra $(COPT) -DOPENSSL_API_COMPAT=30000 -DOPENSSL_NO_DEPRECATED \
		-I$(srcdir)/src -o $@ $(srcdir)/unit/jose_test.c $(wildcard $(srcdir)/src/jose/*.c) -lsodium -lcrypto

unit/uri_test: unit/uri_test.c $(wildcard $(srcdir)/src/uri/*.c) $(wildcard $(srcdir)/src/uri/*.h)
	mkdir -p unit
	$(CC) -std=gnu11 -g -O1 -Wall -Wextra $(COPT) -I$(srcdir)/src -o $@ $(srcdir)/unit/uri_test.c \
		$(wildcard $(srcdir)/src/uri/*.c) -licuuc

unit/dpop_test: unit/dpop_test.c $(foreach part,jose token uri,$(wildcard $(srcdir)/src/$(part)/*.[ch]))
	mkdir -p unit
	$(CC) -std=gnu11 -g -O1 -Wall -Wextra $(COPT) -I$(srcdir)/src -o $@ $(srcdir)/unit/dpop_test.c \
		$(foreach part,jose token uri,$(wildcard $(srcdir)/src/$(part)/*.c)) -lsodium -lcrypto -licuuc

unit/webauthn_test: unit/webauthn_test.c unit/webauthn_vectors.h $(wildcard $(srcdir)/src/webauthn/*.[ch]) \
		$(wildcard $(srcdir)/src/jose/*.[ch])
	mkdir -p unit
	$(CC) -std=gnu11 -g -O1 -Wall -Wextra $(COPT) -DOPENSSL_API_COMPAT=30000 -DOPENSSL_NO_DEPRECATED \
		-I$(srcdir)/src -o $@ $(srcdir)/unit/webauthn_test.c $(wildcard $(srcdir)/src/webauthn/*.c) \
		$(wildcard $(srcdir)/src/jose/*.c) -lcbor -lsodium -lcrypto -licuuc

unit-check: unit/jose_test unit/uri_test unit/dpop_test unit/webauthn_test
	./unit/jose_test
	./unit/uri_test
	./unit/dpop_test
	./unit/webauthn_test

# The archive for PGXN, of what is committed.
DISTVERSION = $(shell sed -n '1,/"provides"/s/^  "version": "\(.*\)",$$/\1/p' META.json)

dist:
	git archive --format=zip --prefix=anon_auth-$(DISTVERSION)/ -o anon_auth-$(DISTVERSION).zip HEAD

.PHONY: unit-check dist
