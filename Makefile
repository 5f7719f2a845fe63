# The two commands of the README are `make demo` and `make test`; both do their own set-up.
# CARGO_FLAGS may hold further flags for cargo, such as --offline.

CARGO ?= cargo
BINARY = target/release/vouchsafe

.PHONY: demo test lint build fmt install clean

build:
	deploy/packages.sh build
	$(CARGO) build --release --locked $(CARGO_FLAGS)

demo: build
	$(BINARY) demo

# The crash test kills the release binary; the rest runs on the debug build, which has failpoints.
test: build
	deploy/packages.sh test
	$(CARGO) test --locked $(CARGO_FLAGS)

lint:
	deploy/packages.sh build lint
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked $(CARGO_FLAGS) -- -D warnings
	deploy/deny.sh

fmt:
	$(CARGO) fmt

install: build
	install -D -m 0755 $(BINARY) $(DESTDIR)/usr/bin/vouchsafe

clean:
	$(CARGO) clean
