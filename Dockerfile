# The server in a small image that runs as nobody:
#   docker build -t gpys .
#   docker run --read-only --cap-drop ALL -p 443:443/tcp -p 443:443/udp gpys
# Flags go after the image's name, variables are GPYS_*; a directory with a gpys.toml and
# certificates is mounted over /etc/gpys, or certificates are got from Let's Encrypt:
#   docker run ... -v gpys:/var/lib/gpys gpys --acme-domain gpys.example
# With other ports outside, name UDP's, which pages are told: -p 5134:443/tcp -p 5134:443/udp gpys
# --public-udp 5134; behind a proxy see docs/PROXIES.md.
# Metrics are for whoever shares the container's network. Whether it takes people is told at
# /readyz; `gpys doctor https://NAME` from another computer tells whether people get there.

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
# Cargo wants to see every target that the manifest names.
COPY benches benches
COPY examples examples
COPY tests tests
COPY --from=page /gpys/web/dist web/dist
RUN CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --release --locked --features acme --bin gpys \
    && mkdir state

# glibc, certificates of the public authorities, the user `nonroot` (65532), and no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=server /gpys/target/release/gpys /usr/local/bin/gpys
COPY --from=server --chown=65532:65532 --chmod=0700 /gpys/state /var/lib/gpys
COPY packaging/container.toml /etc/gpys/gpys.toml
WORKDIR /etc/gpys
EXPOSE 443/tcp 443/udp
# It is stopped by SIGTERM and takes at most 8 s to tell everybody, less than a container is given.
ENTRYPOINT ["/usr/local/bin/gpys"]
