#pragma once

/* What the files of agent/device share. Private to it. */

#include <stdbool.h>

#include "agent/device/device.h"
#include "base/array.h"

struct module;

struct module_list {
	char *text; /* the file; the modules point into it */
	struct module *modules;
	size_t n;
};

struct devices {
	struct loop *loop;
	struct device_places places;
	struct module_list modules;
	struct list waits;
	bool ignores_plugs;
	int uevents; /* a netlink socket, only while somebody waits; else -1 */
	struct loop_watch *watch;
};

void module_list_fini(struct module_list *l);
