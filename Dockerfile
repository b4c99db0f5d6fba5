# PostgreSQL with anon_auth.  docker build --build-arg PG_MAJOR=17 .
# The master key is made in the data directory at the first use: keep both on
# the volume, and see docs/operations.md for its backup.
ARG PG_MAJOR=17
FROM postgres:${PG_MAJOR}-bookworm AS build
ARG PG_MAJOR
RUN apt-get update && apt-get install -y --no-install-recommends \
	gcc make libc6-dev libicu-dev libsodium-dev libssl-dev postgresql-server-dev-${PG_MAJOR}
COPY . /src
RUN make -C /src with_llvm=no && make -C /src with_llvm=no install DESTDIR=/install

FROM postgres:${PG_MAJOR}-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libsodium23 && rm -rf /var/lib/apt/lists/*
COPY --from=build /install /
