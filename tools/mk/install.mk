# make install, make uninstall. Included by the Makefile.

BINDIR = $(DESTDIR)$(PREFIX)/bin
SHAREDIR = $(DESTDIR)$(PREFIX)/share/kata-containers
DEFAULTSDIR = $(DESTDIR)$(PREFIX)/share/defaults/kata-containers
COMPLETIONDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
UNITDIR = $(DESTDIR)$(PREFIX)/lib/systemd/system
FOLDERS = $(BINDIR) $(SHAREDIR) $(DEFAULTSDIR) $(COMPLETIONDIR) $(UNITDIR)
# Which folders install has made, without DESTDIR: an empty one may also be somebody else's, such as /usr/local/bin.
MADE = $(SHAREDIR)/made-folders

## make install         into PREFIX (/usr/local) below DESTDIR
.PHONY: install
install: all
	@made=$$(for d in $(FOLDERS); do \
			while [ "$$d" != "$(DESTDIR)" ] && [ ! -d "$$d" ]; do echo "$${d#$(DESTDIR)}"; d=$${d%/*}; done; \
		done); \
	install -d $(FOLDERS) && echo "$$made" >>$(MADE)
	install -s -m 755 $(HOST_PROGRAMS) $(BINDIR)
	install -m 644 $(B)/guest/vmlinux $(SHAREDIR)/vmlinux.container
	install -m 644 $(B)/guest/initrd.img $(SHAREDIR)/kata-containers-initrd.img
	sed -e 's|@KERNEL@|$(PREFIX)/share/kata-containers/vmlinux.container|' \
		-e 's|@INITRD@|$(PREFIX)/share/kata-containers/kata-containers-initrd.img|' \
		-e 's|@PREFIX@|$(PREFIX)|g' config/configuration-qemu.toml.in > $(DEFAULTSDIR)/configuration.toml
	sed -e 's|@PREFIX@|$(PREFIX)|g' config/kata-monitor.service.in > $(UNITDIR)/kata-monitor.service
	$(B)/kata-runtime completion bash > $(COMPLETIONDIR)/kata-runtime

## make uninstall       what make install put there
.PHONY: uninstall
uninstall:
	@made=$$(LC_ALL=C sort -ru $(MADE) 2>/dev/null); \
	rm -f $(HOST_PROGRAMS:$(B)/%=$(BINDIR)/%) $(COMPLETIONDIR)/kata-runtime $(DEFAULTSDIR)/configuration.toml \
		$(UNITDIR)/kata-monitor.service $(SHAREDIR)/vmlinux.container $(SHAREDIR)/kata-containers-initrd.img $(MADE); \
	for d in $$made; do rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$d" 2>/dev/null || true; done
