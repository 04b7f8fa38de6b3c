# One image for each service: docker build --build-arg SERVICE=chat-server .
# The four share every step but the last. Works with BuildKit and with the classic builder.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

# What decides the dependencies, and nothing else: manifests, the lock file, and an empty root for each target they
# name. Its content is the same until one of these changes, so the dependencies below stay cached.
FROM ${RUST_IMAGE} AS manifests
WORKDIR /src
COPY . .
RUN find . -type f \
        ! -name Cargo.toml ! -name Cargo.lock ! -name build.rs \
        ! -path './*/src/main.rs' ! -path './*/src/lib.rs' ! -path './*/src/bin/*.rs' \
        ! -path './*/tests/*.rs' ! -path './*/benches/*.rs' ! -path './*/examples/*.rs' -delete \
    && find . -type f -name '*.rs' -exec sh -c 'for root; do echo "#![allow(dead_code)] fn main() { }" > "$root"; done' sh {} + \
    && find . -type d -empty -delete

FROM ${RUST_IMAGE} AS builder
ENV CARGO_INCREMENTAL=0
WORKDIR /src
COPY --from=manifests /src .
RUN cargo build --release --locked -p api-server -p chat-server -p presence-server -p notification-server
# Cargo compares times: the empty roots just compiled are younger than the sources that replace them.
COPY . .
RUN find . -type f -name '*.rs' -exec touch {} + \
    && cargo build --release --locked -p api-server -p chat-server -p presence-server -p notification-server \
    && mkdir -p /out/empty \
    && for service in api-server chat-server presence-server notification-server; do \
        # Backtraces still find their lines in it; it takes less than half the room.
        objcopy --compress-debug-sections=zlib "target/release/$service" "/out/$service" || exit 1; \
    done

# No command runs in this stage, so an image without a shell will do too.
FROM ${RUNTIME_IMAGE}
# For webhooks and push services; the slim image has no authorities of its own.
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ARG SERVICE=SERVICE-is-not-given
COPY --from=builder /out/${SERVICE} /usr/local/bin/service
# A volume that is mounted here takes its owner: a container may write nowhere else.
COPY --from=builder --chown=10001:10001 /out/empty /var/lib/chatapp/attachments
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/service", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/service"]
