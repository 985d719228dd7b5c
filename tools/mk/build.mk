# How sources become programs and the guest image. Included by the Makefile.

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h &: proto/%.proto
	@mkdir -p $(B)/gen
	$(call say,PROTO,$@)protoc-c -Iproto --c_out=$(B)/gen $*.proto

# protoc-c's output is not ours to lint.
$(B)/gen/%.o: $(B)/gen/%.c $(GEN_H)
	$(call say,CC,$@)$(CC) $(CPPFLAGS) $(HOST_CFLAGS) -w -c $< -o $@

$(B)/obj/%.o: %.c $(B)/flags | $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS) $(HOST_CFLAGS) -MMD -MP -c $< -o $@

$(B)/obj-agent/gen/%.o: $(B)/gen/%.c $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS) $(AGENT_CFLAGS) -w -c $< -o $@

$(B)/obj-agent/%.o: %.c $(B)/flags | $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS) $(AGENT_CFLAGS) -MMD -MP -c $< -o $@

# Only this one knows the version, so that a commit does not rebuild everything.
VERSIONED := -DVERSION='"$(VERSION)"' -DCOMMIT='"$(COMMIT)"'
$(B)/obj/src/base/version.o $(B)/obj-agent/src/base/version.o: CPPFLAGS += $(VERSIONED)
$(B)/obj/src/base/version.o $(B)/obj-agent/src/base/version.o: $(B)/version
$(B)/version: FORCE
	@mkdir -p $(B)
	@echo '$(VERSION) $(COMMIT)' | cmp -s - $@ || echo '$(VERSION) $(COMMIT)' > $@

# Objects are made anew when the compiler or its flags change.
$(B)/flags: FORCE
	@mkdir -p $(B)
	@echo '$(CC) $(CPPFLAGS) $(HOST_CFLAGS) $(AGENT_CFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(CPPFLAGS) $(HOST_CFLAGS) $(AGENT_CFLAGS)' > $@
FORCE:

$(B)/libkata.a: $(LIB_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(B)/libagent.a: $(AGENT_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

# Of the programs only this one is an HTTP server for others.
$(B)/kata-monitor: HOST_LIBS += -lmicrohttpd

$(HOST_PROGRAMS): $(B)/%: $(B)/obj/src/bin/%.o $(B)/libkata.a
	$(call say,LD,$@)$(CC) $(HOST_LDFLAGS) $^ $(HOST_LIBS) -o $@

$(B)/kata-agent: $(B)/obj-agent/src/bin/kata-agent.o $(B)/libagent.a
	$(call say,LD,$@)$(CC) -static $(LDFLAGS) $^ $(AGENT_LIBS) -o $@.full && $(STRIP) -o $@ $@.full

# The configuration for running from the tree: the installed one with the tree's paths.
$(B)/configuration.toml: $(wildcard config/configuration-qemu.toml.in)
	$(if $<,sed -e 's|@KERNEL@|$(CURDIR)/build/guest/vmlinux|' -e 's|@INITRD@|$(CURDIR)/build/guest/initrd.img|' \
		-e 's|@PREFIX@|$(PREFIX)|g' $< > $@,touch $@)

## make docs            docs/configuration.md, out of the tables
.PHONY: docs
docs: $(B)/print-configuration-manual
	$< > docs/configuration.md

$(B)/print-configuration-manual: tools/print-configuration-manual.c $(B)/libkata.a
	$(call say,LD,$@)$(CC) $(CPPFLAGS) $(HOST_CFLAGS) $(HOST_LDFLAGS) $^ $(HOST_LIBS) -o $@

## make kernel          the lean guest kernel out of Debian's sources (half an hour); the next `make` takes it
.PHONY: kernel
kernel:
	tools/install-deps --kernel
	guest-image/kernel/build build/cache --source $(KERNEL_SOURCE)

guest: $(if $(and $(AGENT),$(wildcard guest-image/build)),$(B)/guest/initrd.img)

$(B)/guest/initrd.img: $(AGENT) $(wildcard guest-image/*) $(B)/kernel-package $(wildcard build/cache/$(KERNEL_PACKAGE).*/package)
	guest-image/build --agent $(AGENT) --kernel-package $(KERNEL_PACKAGE) --out $(B)/guest

$(B)/kernel-package: FORCE
	@mkdir -p $(B)
	@echo '$(KERNEL_PACKAGE)' | cmp -s - $@ || echo '$(KERNEL_PACKAGE)' > $@

.SECONDARY: $(GEN_C) $(GEN_H)
-include $(shell find $(B)/obj $(B)/obj-agent -name '*.d' 2>/dev/null)
