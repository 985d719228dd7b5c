# make install, make uninstall. Included by the Makefile.

BINDIR = $(DESTDIR)$(PREFIX)/bin
SHAREDIR = $(DESTDIR)$(PREFIX)/share/kata-containers
DEFAULTSDIR = $(DESTDIR)$(PREFIX)/share/defaults/kata-containers
COMPLETIONDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions

## make install         into PREFIX (/usr/local) below DESTDIR
.PHONY: install
install: all
	install -d $(BINDIR) $(SHAREDIR) $(DEFAULTSDIR) $(COMPLETIONDIR)
	install -s -m 755 $(HOST_PROGRAMS) $(BINDIR)
	install -m 644 $(B)/guest/vmlinux $(SHAREDIR)/vmlinux.container
	install -m 644 $(B)/guest/initrd.img $(SHAREDIR)/kata-containers-initrd.img
	sed -e 's|@KERNEL@|$(PREFIX)/share/kata-containers/vmlinux.container|' \
		-e 's|@INITRD@|$(PREFIX)/share/kata-containers/kata-containers-initrd.img|' \
		-e 's|@PREFIX@|$(PREFIX)|g' config/configuration-qemu.toml.in > $(DEFAULTSDIR)/configuration.toml
	$(B)/kata-runtime completion bash > $(COMPLETIONDIR)/kata-runtime

## make uninstall       what make install put there
.PHONY: uninstall
uninstall:
	rm -f $(HOST_PROGRAMS:$(B)/%=$(BINDIR)/%) $(COMPLETIONDIR)/kata-runtime $(DEFAULTSDIR)/configuration.toml \
		$(SHAREDIR)/vmlinux.container $(SHAREDIR)/kata-containers-initrd.img
	-rmdir --ignore-fail-on-non-empty $(SHAREDIR) $(DEFAULTSDIR) 2>/dev/null
