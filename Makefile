# Kata Containers in C. `make help` lists what can be asked for.

VERSION := 0.1.0
COMMIT := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

PREFIX ?= /usr/local
DESTDIR ?=
# The guest's kernel: kata-linux, which `make kernel` makes out of the sources, where it has been made, or a package of Debian's.
KERNEL_PACKAGE ?= $(if $(wildcard build/cache/kata-linux.$(shell uname -m)/package),kata-linux,linux-image-cloud-amd64)
KERNEL_SOURCE ?= linux-source-6.1
CC = gcc
STRIP = strip
ASAN ?=
B := $(if $(ASAN),build-asan,build)

# -Ulinux -Uunix: gnu17 defines both as macros, and the OCI specification has a field called "linux".
WARN := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wundef -Wstrict-prototypes -Wmissing-prototypes \
	-Wimplicit-fallthrough -Wpointer-arith -Werror
CPPFLAGS := -D_GNU_SOURCE -Ulinux -Uunix -Isrc -I$(B)/gen -I. -DPREFIX='"$(PREFIX)"'
CFLAGS := -std=gnu17 -g $(WARN) -ffunction-sections -fdata-sections
HARDEN := -O2 -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
LDFLAGS := -Wl,--gc-sections -Wl,-z,relro,-z,now
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HOST_CFLAGS := $(CFLAGS) $(if $(ASAN),-O1 $(SANITIZE),$(HARDEN))
HOST_LDFLAGS := $(LDFLAGS) -pie $(if $(ASAN),$(SANITIZE))
HOST_LIBS := -l:libmd.a -lprotobuf-c -ljansson -lseccomp -lpthread
AGENT_CFLAGS := $(CFLAGS) -Os -fno-asynchronous-unwind-tables -D_FORTIFY_SOURCE=2 -fstack-protector-strong
AGENT_LIBS := -lprotobuf-c -lseccomp -lpthread

PROTOS := $(shell cd proto && find . -name '*.proto' | sed 's,^\./,,' | sort)
GEN_C := $(PROTOS:%.proto=$(B)/gen/%.pb-c.c)
GEN_H := $(GEN_C:.c=.h)
# Everything but the programs' main(): each program links what it needs out of one archive.
LIB_SRC := $(sort $(filter-out src/bin/%,$(shell find src -name '*.c')))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o) $(GEN_C:%.c=%.o)
# The agent is built a second time, small and static, from its own side and what both sides share.
AGENT_SRC := $(filter src/base/% src/oci/% src/ttrpc/% src/agent/%,$(LIB_SRC))
AGENT_GEN := $(filter-out %/task.pb-c.c %/kata.pb-c.c %/runtimeoptions.pb-c.c,$(GEN_C))
AGENT_OBJ := $(AGENT_SRC:%.c=$(B)/obj-agent/%.o) $(AGENT_GEN:$(B)/gen/%.c=$(B)/obj-agent/gen/%.o)
UNIT_SRC := $(sort $(shell find tests/unit -name 'test_*.c'))
UNIT_BIN := $(UNIT_SRC:%.c=$(B)/%)
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))

HOST_PROGRAMS := $(patsubst src/bin/%.c,$(B)/%,$(filter-out src/bin/kata-agent.c,$(wildcard src/bin/*.c)))
AGENT := $(if $(wildcard src/bin/kata-agent.c),$(B)/kata-agent)

# How many jobs `make try` and `make check` build with: one for each processor, because somebody who types just that should not wait
# for one of them; none where make was given a number.
ALL_CORES = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

# One line a command; `make V=1` shows the commands themselves.
ifeq ($(V),)
say = @echo '  $(1)	$(2)';
endif

.PHONY: all programs guest
all: programs guest

programs: $(B)/libkata.a $(HOST_PROGRAMS) $(AGENT) $(B)/configuration.toml

include tools/mk/build.mk
include tools/mk/test.mk
include tools/mk/install.mk

.PHONY: help
help:
	@sed -n 's/^## //p' Makefile tools/mk/*.mk

## make                 build programs and guest image into build/
## make try             install what is needed, build, run a busybox bundle in a VM
.PHONY: try
try:
	tools/install-deps
	$(MAKE) $(ALL_CORES) all
	tools/try

## make clean           remove everything that was built
.PHONY: clean
clean:
	rm -rf build build-asan build-fuzz
