# The two commands of the README are `make demo` and `make test`; both do their own set-up.
# CARGO_FLAGS may hold further flags for cargo, such as --offline.

CARGO ?= cargo
BINARY = target/release/vouchsafe
PREFIX ?= /usr
DOC = $(PREFIX)/share/doc/vouchsafe
MAN = $(PREFIX)/share/man
# Where each shell looks for what packages bring.
BASH_COMPLETIONS ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS ?= $(PREFIX)/share/zsh/vendor-completions
FISH_COMPLETIONS ?= $(PREFIX)/share/fish/vendor_completions.d
# Made by the program from its own grammar.
MANUAL = target/manual
# The date on the pages, in seconds: that of the sources and not of today, so that two builds are the same.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)

.PHONY: demo test bench fuzz lint build fmt install manual uninstall clean

build:
	deploy/packages.sh build
	$(CARGO) build --release --locked $(CARGO_FLAGS)
	$(MAKE) --no-print-directory manual

demo: build
	$(BINARY) demo

# The crash test kills the release binary, and beside it the debug build, which has failpoints and runs in the rest.
test: build
	deploy/packages.sh test
	$(CARGO) test --locked $(CARGO_FLAGS)
	VOUCHSAFE_STORE=sled $(CARGO) test --locked $(CARGO_FLAGS) --test leak --test ledger

# Measures this machine and writes docs/performance.md. BENCH_QUICK=1 only shows that the benches run, and writes nothing.
bench:
	deploy/packages.sh build bench
	$(CARGO) bench --locked $(CARGO_FLAGS) --bench parts
	VOUCHSAFE_BENCH_CLI=$(CURDIR)/target/bench-cli.md $(CARGO) bench --locked $(CARGO_FLAGS) --bench cli
	$(CARGO) bench --locked $(CARGO_FLAGS) --bench whole -- $(if $(BENCH_QUICK),,--write docs/performance.md)
	$(if $(BENCH_QUICK),,cat target/bench-cli.md >> docs/performance.md)

# Ten minutes for each target; FUZZ_SECONDS=15 is what continuous integration does.
fuzz:
	deploy/packages.sh build fuzz
	CARGO="$(CARGO)" CARGO_FLAGS="$(CARGO_FLAGS)" deploy/fuzz.sh

lint:
	deploy/packages.sh build lint
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked $(CARGO_FLAGS) -- -D warnings
	deploy/deny.sh

fmt:
	$(CARGO) fmt

# Program, unit, users, manual pages, completions, documentation. Settings and keys are made by `vouchsafe init`:
# docs/operate.md. It makes nothing anew: root seldom has a compiler of Rust, and what root makes stays root's.
install:
	@test -d $(MANUAL) || { echo "nothing is built yet: run 'make build' first, as yourself" >&2; exit 1; }
	install -D -m 0755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/vouchsafe
	install -D -m 0644 deploy/vouchsafe.service $(DESTDIR)$(PREFIX)/lib/systemd/system/vouchsafe.service
	install -D -m 0644 deploy/vouchsafe.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/vouchsafe.socket
	install -D -m 0644 deploy/sysusers.d/vouchsafe.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/vouchsafe.conf
	install -d $(DESTDIR)$(DOC)/examples/policies $(DESTDIR)$(DOC)/examples/postfix
	install -m 0644 README.md CHANGELOG.md SECURITY.md LICENSE docs/flow.md docs/mail-forms.md docs/metrics.md docs/operate.md docs/threats.md docs/verdicts.md $(DESTDIR)$(DOC)
	install -m 0644 keys/README.md $(DESTDIR)$(DOC)/keys.md
	install -m 0644 config/relay.toml $(DESTDIR)$(DOC)/examples
	install -m 0644 config/policies/*.toml $(DESTDIR)$(DOC)/examples/policies
	install -m 0644 deploy/postfix/* $(DESTDIR)$(DOC)/examples/postfix
	install -d $(DESTDIR)$(MAN)/man1 $(DESTDIR)$(MAN)/man5
	install -m 0644 $(MANUAL)/man1/*.1 $(DESTDIR)$(MAN)/man1
	install -m 0644 $(MANUAL)/man5/*.5 $(DESTDIR)$(MAN)/man5
	install -D -m 0644 $(MANUAL)/vouchsafe.bash $(DESTDIR)$(BASH_COMPLETIONS)/vouchsafe
	install -D -m 0644 $(MANUAL)/vouchsafe.zsh $(DESTDIR)$(ZSH_COMPLETIONS)/_vouchsafe
	install -D -m 0644 $(MANUAL)/vouchsafe.fish $(DESTDIR)$(FISH_COMPLETIONS)/vouchsafe.fish

manual:
	rm -rf $(MANUAL)
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BINARY) man --dir $(MANUAL)
	for shell in bash zsh fish; do $(BINARY) completions $$shell > $(MANUAL)/vouchsafe.$$shell || exit 1; done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/vouchsafe $(DESTDIR)$(PREFIX)/lib/systemd/system/vouchsafe.service
	rm -f $(DESTDIR)$(PREFIX)/lib/systemd/system/vouchsafe.socket
	rm -f $(DESTDIR)$(PREFIX)/lib/sysusers.d/vouchsafe.conf
	rm -f $(DESTDIR)$(MAN)/man1/vouchsafe.1 $(DESTDIR)$(MAN)/man1/vouchsafe-*.1 $(DESTDIR)$(MAN)/man5/vouchsafe-*.5
	rm -f $(DESTDIR)$(BASH_COMPLETIONS)/vouchsafe $(DESTDIR)$(ZSH_COMPLETIONS)/_vouchsafe
	rm -f $(DESTDIR)$(FISH_COMPLETIONS)/vouchsafe.fish
	rm -rf $(DESTDIR)$(DOC)

clean:
	$(CARGO) clean
