# What people do here. Without `just`, run the commands as they stand.

set positional-arguments

# What there is
default:
    @just --list

# Everything on this machine, with sample runs
run *args:
    cargo run -- dev --demo "$@"

# All tests, or those that the arguments of `cargo test` name: just test -p domain
test *args:
    scripts/test "$@"

# Format and lints
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# What every change must pass
ci:
    .ci/run

# The documentation of the code, in target/doc
docs *args:
    cargo doc --workspace --no-deps "$@"

# A Debian package, in target/debian
deb *args:
    scripts/package-deb "$@"
