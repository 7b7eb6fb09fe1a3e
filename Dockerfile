# Ostiary in a container: one binary on a small Debian, as a user without rights.
#
#   docker build -t ostiary .
#   docker run -p 127.0.0.1:8080:8080 -p 127.0.0.1:3890:3890 -v ostiary:/var/lib/ostiary ostiary
#
# The log of the first start shows the link that makes the first administrator. Settings come from
# variables, and from /etc/ostiary/ostiary.toml if a file is mounted there.
#
# With a certificate there is StartTLS on the port of LDAP, and LDAPS where it is wanted:
#
#   -p 636:6360 -v /srv/ostiary/tls:/etc/ostiary/tls:ro \
#   -e OSTIARY_LDAP__TLS_LISTEN=0.0.0.0:6360 \
#   -e OSTIARY_LDAP__CERTIFICATE_FILE=/etc/ostiary/tls/fullchain.pem \
#   -e OSTIARY_LDAP__KEY_FILE=/etc/ostiary/tls/privkey.pem
#
# User 3890 must be able to read both files. Mount their folder and not the files themselves: a file
# that was replaced is another one, and is taken up only where it can be seen.

FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --locked --profile ship --package ostiary-server \
    && install -m 0755 target/ship/ostiary /ostiary

FROM debian:bookworm-slim
# Certificates: for mail servers, databases and caches that are reached over TLS.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 3890 ostiary \
    && useradd --system --uid 3890 --gid ostiary --home-dir /var/lib/ostiary --shell /usr/sbin/nologin ostiary \
    && install -d -o ostiary -g ostiary -m 0700 /var/lib/ostiary
COPY --from=build /ostiary /usr/local/bin/ostiary

USER ostiary
# Where ostiary.toml is looked for, by the server, its commands and the health check.
WORKDIR /etc/ostiary
VOLUME /var/lib/ostiary
# Inside a container only the published ports can be reached, so listening everywhere is no wider.
ENV OSTIARY_SERVER__DATA_DIR=/var/lib/ostiary \
    OSTIARY_HTTP__LISTEN=0.0.0.0:8080 \
    OSTIARY_LDAP__LISTEN=0.0.0.0:3890
EXPOSE 8080 3890 6360
# Asks the pages. That is enough for LDAP, too: when one of the doors falls shut the process ends.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["ostiary", "health"]
ENTRYPOINT ["ostiary"]
CMD ["serve"]
