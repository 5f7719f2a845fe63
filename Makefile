# The two commands of the README are `make demo` and `make test`; both do their own set-up.
# CARGO_FLAGS may hold further flags for cargo, such as --offline.

CARGO ?= cargo
BINARY = target/release/vouchsafe
PREFIX ?= /usr
DOC = $(PREFIX)/share/doc/vouchsafe

.PHONY: demo test lint build fmt install clean

build:
	deploy/packages.sh build
	$(CARGO) build --release --locked $(CARGO_FLAGS)

demo: build
	$(BINARY) demo

# The crash test kills the release binary, and beside it the debug build, which has failpoints and runs in the rest.
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

# Program, unit, users, documentation. Settings and keys are made by `vouchsafe init`: docs/operate.md. It builds nothing:
# root seldom has a compiler of Rust.
install:
	@test -x $(BINARY) || { echo "there is no $(BINARY) yet: run 'make build' first" >&2; exit 1; }
	install -D -m 0755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/vouchsafe
	install -D -m 0644 deploy/vouchsafe.service $(DESTDIR)$(PREFIX)/lib/systemd/system/vouchsafe.service
	install -D -m 0644 deploy/sysusers.d/vouchsafe.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/vouchsafe.conf
	install -d $(DESTDIR)$(DOC)/examples/policies $(DESTDIR)$(DOC)/examples/postfix
	install -m 0644 README.md CHANGELOG.md SECURITY.md LICENSE docs/flow.md docs/operate.md docs/threats.md $(DESTDIR)$(DOC)
	install -m 0644 keys/README.md $(DESTDIR)$(DOC)/keys.md
	install -m 0644 config/relay.toml $(DESTDIR)$(DOC)/examples
	install -m 0644 config/policies/*.toml $(DESTDIR)$(DOC)/examples/policies
	install -m 0644 deploy/postfix/* $(DESTDIR)$(DOC)/examples/postfix

clean:
	$(CARGO) clean
