# The program by itself; bring a Postgres (see compose.yaml). What others wrote is compiled in a layer of its own, which
# is made anew only when Cargo.lock or a manifest changes.
FROM rust:1.95-bookworm AS chef
RUN cargo install --locked cargo-chef --version 0.1.78
WORKDIR /src

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json --bin runledger

FROM chef AS build
COPY --from=plan /src/recipe.json recipe.json
RUN cargo chef cook --release --locked --recipe-path recipe.json --package server --bin runledger
COPY . .
RUN cargo build --release --locked --package server --bin runledger

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home runledger
COPY --from=build /src/target/release/runledger /usr/local/bin/runledger
USER runledger
ENV RUNLEDGER_LISTEN=0.0.0.0:7311 RUNLEDGER_LOG_FORMAT=json
EXPOSE 7311
STOPSIGNAL SIGTERM
ENTRYPOINT ["runledger"]
CMD ["serve"]
