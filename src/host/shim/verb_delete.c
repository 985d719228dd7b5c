#include "host/shim/verb_delete.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/sandbox/sandbox.h"
#include "host/shim/address.h"
#include "host/shim/exchange.h"
#include "host/shim/group.h"
#include "host/state/pod_dir.h"
#include "host/storage/share.h"
#include "task.pb-c.h"

/* 128 + SIGKILL: nobody knows how the processes ended. */
#define KILLED_EXIT_CODE 137
/* How long a server that was killed may take to be gone. */
#define SERVER_END_MS 2000

/* The folder of the pod's socket, which containerd may have chosen; NULL: the usual one. */
static char *socket_folder(const char *bundle)
{
	auto_free char *path = str_printf("%s/" ADDRESS_FILE, bundle);
	auto_free char *address = NULL;
	char *slash;

	if (!path || file_read_regular(AT_FDCWD, path, ADDRESS_BYTES, &address, NULL, NULL) < 0 ||
	    strncmp(address, ADDRESS_SCHEME, strlen(ADDRESS_SCHEME)) != 0)
		return NULL;
	slash = strrchr(address, '/');
	*slash = '\0';
	return strdup(address + strlen(ADDRESS_SCHEME));
}

/* The socket of a server that was killed. A bundle that cannot be read any more names no pod: then
 * the socket goes with the next server at the same address. */
static void remove_socket(const struct shim_options *o, const char *bundle)
{
	auto_free char *pod = NULL;
	auto_free char *folder = socket_folder(bundle);
	const struct address a = {
		.dir = folder,
		.containerd = o->address ? o->address : "",
		.namespace = o->namespace,
		.sandbox = o->id,
	};

	if (group_of(bundle, o, &pod, NULL) == 0 && strcmp(pod, o->id) == 0)
		address_remove(&a);
}

/* The folder of the management socket. A server that lives keeps it. */
static void remove_pod_dir(const char *id)
{
	auto_free char *name = share_name_of(id);
	auto_free char *base = pod_dir_base();

	if (name && base)
		(void) pod_dir_bury(base, name, clock_deadline(SERVER_END_MS), NULL);
}

static int answer(struct err *e)
{
	Containerd__Task__V2__DeleteResponse a = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp now = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	now.seconds = time(NULL);
	a.exit_status = KILLED_EXIT_CODE;
	a.exited_at = &now;
	return exchange_write_message(STDOUT_FILENO, &a.base, e);
}

int shim_delete(const struct shim_options *o, struct err *e)
{
	const char *bundle = o->bundle ? o->bundle : ".";
	int r;

	r = sandbox_clean_up(o->state_dir ? o->state_dir : bundle, e);
	if (r < 0)
		return r;
	remove_pod_dir(o->id);
	if (o->state_dir)
		return 0;
	remove_socket(o, bundle);
	return answer(e);
}
