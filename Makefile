# `make demo` and `make test` do all of their own set-up on a Debian machine with a Rust
# toolchain; the other targets are for developers.

HOST := $(shell rustc -vV | sed -n 's/^host: //p')
# The release binary is copied to nodes whose libc is unknown, so it carries its own. That can
# only be asked for with --target: proc macros, which are built for the host, can't be static.
STATIC := -C target-feature=+crt-static -C relocation-model=static
BINARY := target/release/devgate

.PHONY: build deb demo test test-deps lint bless life faults fuzz man bench clean

build:
	RUSTFLAGS="$(STATIC)" cargo build --release --locked --bin devgate --target $(HOST)
	mkdir -p $(dir $(BINARY))
	cp target/$(HOST)/release/devgate $(BINARY).new && mv $(BINARY).new $(BINARY)

# target/debian/devgate_VERSION_ARCH.deb
deb: build
	packaging/debian/build $(BINARY)

demo: build
	$(BINARY) demo

# `deb` leaves the release binary and the package for the tests of both.
test: test-deps lint deb
	cargo test --locked

# What the tests of real engines run. A minute the first time, and as root.
test-deps:
	tests/testbed/provision.sh
	@tests/kubernetes/tools target/tools

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

# Makes the golden files again; look at the diff.
bless:
	DEVGATE_BLESS=1 cargo test --locked --test samples

# Makes docs/life.md again, and then LIFE_ROUNDS times to see that it stays so; look at the diff.
life:
	DEVGATE_BLESS=1 DEVGATE_TEST_REQUIRE=1 cargo test --locked --test life -- --exact --nocapture \
	  the_policy_is_in_force_as_the_page_says
	DEVGATE_TEST_REQUIRE=1 DEVGATE_LIFE_ROUNDS=$(or $(LIFE_ROUNDS),3) cargo test --locked --test life -- \
	  --ignored --exact --nocapture it_is_so_again_and_again

# Every fault, in the release binary. With CASE='three hook bpf:error=EPERM:when=6+' that one alone.
faults: build
	DEVGATE_TEST_REQUIRE=1 DEVGATE_FAULTS_BINARY=$(abspath $(BINARY)) DEVGATE_FAULTS_CASE='$(CASE)' \
	  cargo test --locked --test faults -- --ignored --exact --nocapture \
	  $(if $(CASE),one_case,all_faults)

# A minute for each target; FUZZ_SECONDS=N for longer.
fuzz:
	fuzz/run $(or $(FUZZ_SECONDS),60)

# Its libbpf needs libelf's headers. Not one cargo call with `build`: features would unify.
bench: build
	test -e /usr/include/gelf.h || { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -q -y --no-install-recommends libelf-dev pkg-config make; }
	command -v runc >/dev/null || apt-get install -q -y --no-install-recommends runc
	test -x /bin/busybox || apt-get install -q -y --no-install-recommends busybox-static
	RUSTFLAGS="$(STATIC)" cargo build --release --locked -p devgate-bench --target $(HOST)
	target/$(HOST)/release/devgate-bench --devgate $(BINARY) --json target/bench.json

# One man page a command, in target/man.
man: build
	$(BINARY) man target/man

clean:
	cargo clean
