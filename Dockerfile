# The program by itself; bring a Postgres (see compose.yaml).
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p server --bin runledger

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
