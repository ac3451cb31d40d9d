# Builds a small image that runs the server as an unprivileged user:
#   docker build -t gpys .
#   docker run --read-only --cap-drop ALL -p 443:443/tcp -p 443:443/udp gpys
# Put flags after the image's name; environment variables are GPYS_*. Mount a directory with a
# gpys.toml and certificates over /etc/gpys, or obtain certificates from Let's Encrypt:
#   docker run ... -v gpys:/var/lib/gpys gpys --acme-domain gpys.example
# If the outside ports differ, tell pages the UDP port: -p 5134:443/tcp -p 5134:443/udp gpys
# --public-udp 5134; behind a proxy see docs/PROXIES.md.
# Metrics are visible only within the container's network. /readyz says whether the server accepts
# people; `gpys doctor https://NAME` from another computer says whether they can reach it.

FROM node:22-bookworm-slim AS page
WORKDIR /gpys/web
COPY web/package.json web/package-lock.json web/.npmrc ./
COPY web/client/package.json client/
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run --silent build

FROM rust:1.95-slim-bookworm AS server
WORKDIR /gpys
COPY Cargo.toml Cargo.lock build.rs ./
COPY src src
# Cargo requires every target that the manifest names.
COPY benches benches
COPY examples examples
COPY tests tests
COPY --from=page /gpys/web/dist web/dist
RUN CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --release --locked --features acme --bin gpys \
    && mkdir state

# The base image has glibc, public CA certificates, the user `nonroot` (65532), and no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=server /gpys/target/release/gpys /usr/local/bin/gpys
COPY --from=server --chown=65532:65532 --chmod=0700 /gpys/state /var/lib/gpys
COPY packaging/container.toml /etc/gpys/gpys.toml
WORKDIR /etc/gpys
EXPOSE 443/tcp 443/udp
# On SIGTERM it notifies every client in at most 8 s, less than a container's grace period.
ENTRYPOINT ["/usr/local/bin/gpys"]
