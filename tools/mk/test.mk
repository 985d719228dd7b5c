# Everything that judges. Included by the Makefile.

$(B)/tests/unit/%: tests/unit/%.c tests/test.h $(B)/libkata.a
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS) $(HOST_CFLAGS) -MMD -MP $< $(B)/libkata.a $(HOST_LDFLAGS) $(HOST_LIBS) -o $@

## make check-unit      unit tests, in milliseconds (ASAN=1: with the sanitizers)
.PHONY: check-unit
check-unit: $(UNIT_BIN)
	tools/run-tests $^

## make check           install what is needed, build, then all tests
.PHONY: check
check:
	tools/install-deps
	$(MAKE) $(ALL_CORES) all
	$(MAKE) $(ALL_CORES) check-programs $(if $(IS_LEAN),$(B)/debian-kernel.toml)
	$(if $(BOX),$(MAKE) kvm-host)
	tools/check $(if $(IS_LEAN),--lean) $(if $(BOX),--box)

# Where the guest has the lean kernel, Debian's is beside it: a part of the tests boots it, and the two are compared.
IS_LEAN := $(filter kata-linux,$(KERNEL_PACKAGE))
DEBIAN_KERNEL := linux-image-cloud-$(shell dpkg --print-architecture 2>/dev/null)
$(B)/debian-kernel.toml: $(B)/configuration.toml $(AGENT) $(wildcard guest-image/*)
	guest-image/build --agent $(AGENT) --kernel-package $(DEBIAN_KERNEL) --out $(B)/debian-guest
	sed 's|$(CURDIR)/build/guest/|$(CURDIR)/build/debian-guest/|' $< >$@

## make lint            formatting, clang-tidy, cppcheck, shellcheck, layers, gcc and clang with -Werror
# tools/check-circles reads the objects.
.PHONY: lint
lint: $(GEN_H) programs
	tools/lint

.PHONY: format
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

## make fuzz            every fuzz target for FUZZ_SECONDS (60) each
FUZZ_SECONDS ?= 60
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=build-fuzz/%)
.PHONY: fuzz
fuzz: $(FUZZ_BIN)
	@for f in $^; do echo "== $$f"; mkdir -p $$f.found; \
		$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 $$f.found tests/fuzz/corpus/$${f#build-fuzz/fuzz_} || exit 1; done

FUZZ_CC := clang $(CPPFLAGS) $(VERSIONED) $(CFLAGS) -O1 -w -fno-sanitize-recover=all
build-fuzz/obj/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c $< -o $@

# An archive, so that a target only links what it needs.
build-fuzz/libkata.a: $(LIB_SRC:%.c=build-fuzz/obj/%.o) $(GEN_C:%.c=build-fuzz/obj/%.o)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

build-fuzz/fuzz_%: tests/fuzz/fuzz_%.c build-fuzz/libkata.a
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -MMD -MP $< build-fuzz/libkata.a $(HOST_LIBS) -o $@

-include $(shell find build-fuzz -name '*.d' 2>/dev/null)

# The same targets without the fuzzer: run once over their corpus, part of `make check`.
$(B)/tests/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(B)/libkata.a
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS) $(HOST_CFLAGS) -MMD -MP $< tests/fuzz/replay.c $(B)/libkata.a $(HOST_LDFLAGS) $(HOST_LIBS) -o $@

## make check-agent     the agent in a real virtual machine
AGENT_TEST_OBJ := $(patsubst tests/agent/%.c,$(B)/obj/tests/agent/%.o,$(sort $(wildcard tests/agent/*.c)))
.PHONY: check-agent
check-agent: $(B)/tests/agent guest
	timeout 600 $<

## make check-aarch64   the same with an agent, a kernel and a machine of that architecture: Debian's kernel, or the lean one where it is
LEAN_AARCH64 := $(if $(wildcard build/cache/kata-linux.aarch64/package),--kernel-package kata-linux)
.PHONY: check-aarch64
check-aarch64: $(B)/tests/agent
	tools/install-deps --aarch64
	guest-image/cross-agent aarch64 $(B)/aarch64
	guest-image/build --arch aarch64 $(LEAN_AARCH64) --agent $(B)/aarch64/kata-agent --out $(B)/aarch64/guest
	GUEST_ARCH=aarch64 GUEST_IMAGE=$(B)/aarch64/guest GUEST_BUSYBOX=$(B)/aarch64/libraries/bin/busybox timeout 1200 $<

$(B)/tests/agent: $(AGENT_TEST_OBJ) $(B)/libkata.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(HOST_LDFLAGS) $^ $(HOST_LIBS) -o $@

## make check-guest     what needs the guest's kernel: containers and cgroups, in a virtual machine
GUEST_TESTS := $(patsubst tests/guest/%.c,$(B)/guest-tests/%,$(wildcard tests/guest/*.c)) \
	$(B)/guest-tests/test_container $(B)/guest-tests/test_container_process $(B)/guest-tests/test_container_mounts
.PHONY: check-guest
check-guest: $(GUEST_TESTS) guest
	tests/guest/run

$(B)/guest-tests/%: $(B)/obj-agent/tests/guest/%.o $(B)/libagent.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -static -s $(LDFLAGS) $^ $(AGENT_LIBS) -o $@

$(B)/guest-tests/%: $(B)/obj-agent/tests/unit/agent/container/%.o $(B)/libagent.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -static -s $(LDFLAGS) $^ $(AGENT_LIBS) -o $@

# Small programs with which tests/interop speaks to other implementations.
$(B)/tests/interop-%: tests/interop/%.c $(B)/libkata.a
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS) $(HOST_CFLAGS) -MMD -MP $< $(B)/libkata.a $(HOST_LDFLAGS) $(HOST_LIBS) -o $@

## make check-interop   our ttRPC against containerd's (skipped where containerd is not installed)
INTEROP := $(patsubst tests/interop/%.c,$(B)/tests/interop-%,$(wildcard tests/interop/*.c))
.PHONY: check-interop
check-interop: $(INTEROP)
	bats tests/interop

## make check-security  what a process of ours can do that somebody has taken over
.PHONY: check-security
check-security: all
	@mkdir -p build/results
	tools/run-bats build/results/security.list -- tests/security/*.bats

## make check-engines   Podman and Docker beside runc, in a room of their own (ROOT=trixie, ROOT=sid: those of that Debian)
.PHONY: check-engines
check-engines: all
	tests/engines/check $(ROOT)

## make check-containerd  the shim under containerd 1.7 to 2.4, which it fetches or builds
.PHONY: check-containerd
check-containerd: all
	tests/engines/containerd-versions

## make check-scale     many pods, many execs and much data, in minutes; on a machine that does nothing else
.PHONY: check-scale
check-scale: all
	@mkdir -p build/results
	tools/room --like-host tools/run-bats build/results/scale.list -- tests/scale/*.bats

## make check-cri       containerd's and Kubernetes' tests of a CRI and nerdctl, beside runc; built by Go
.PHONY: check-cri
check-cri: all
	tests/cri/check

## make check-kubernetes  a cluster of one node with our RuntimeClass, whose programs it builds (half an hour, once)
.PHONY: check-kubernetes
check-kubernetes: all
	tests/kubernetes/run

## make check-kernel    what the lean guest kernel offers to containers (makes it first: make kernel)
.PHONY: check-kernel
check-kernel: kernel
	$(MAKE) $(ALL_CORES) all check-programs KERNEL_PACKAGE=kata-linux
	@guest-image/fetch-kernel $(DEBIAN_KERNEL) build/cache >/dev/null
	@mkdir -p build/results
	tools/room --like-host tools/run-bats build/results/kernel.list -- tests/kernel/*.bats

## make check-corpus    replay the fuzzing corpora
.PHONY: check-corpus
check-corpus: $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(B)/tests/replay_%)
	@for t in $^; do n=$${t##*/replay_}; $$t tests/fuzz/corpus/$$n || exit 1; done
	@echo "$(words $^) passed, 0 failed, 0 skipped"

-include $(shell find $(B)/tests -name '*.d' 2>/dev/null)

# What the suites run, built before them: several suites run at a time, and none of them builds then.
.PHONY: check-programs
check-programs: guest $(UNIT_BIN) $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(B)/tests/replay_%) $(B)/tests/agent $(GUEST_TESTS) $(INTEROP)

## make bench           measure beside peers; writes build/bench.json and docs/performance.md
.PHONY: bench
bench: all
	tools/room --like-host tests/bench/run --rounds $(or $(ROUNDS),10)

## make bench-peers     fetch what stands beside ours in `make bench`, if it is there: gVisor, Debian's kernel
.PHONY: bench-peers
bench-peers:
	tests/bench/fetch-runsc trixie build/cache/runsc
	guest-image/fetch-kernel $(DEBIAN_KERNEL) build/cache

## make kvm-host        a KVM host in a virtual machine: build it, for tests/kvm-host/kvm-host run and shell
.PHONY: kvm-host
kvm-host: all
	@$(MAKE) -s install DESTDIR=$(CURDIR)/build/kvm-host/installed PREFIX=/usr/local
	tests/kvm-host/kvm-host build >/dev/null

## make check-kvm       what needs KVM, vhost-vsock or a host to maltreat, in that host (QUICK=1: a part, in minutes)
.PHONY: check-kvm
check-kvm: kvm-host
	KVM_CONFORMANCE=$(KVM_CONFORMANCE) tests/kvm-host/check $(if $(QUICK),--quick)

## make check-all       make check, then all that check-kvm can do: hours
.PHONY: check-all
check-all: check
	$(MAKE) check-kvm KVM_CONFORMANCE=all
