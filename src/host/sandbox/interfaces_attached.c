/* Interfaces that a file describes, in place of the namespace's: see host/network/attached.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "host/sandbox/interfaces.h"

#define ATTACHED_BYTES_MAX (256U << 10)

/* Reads it, if there is one: 1, 0, or -errno. */
static int read_attached(const char *path, struct network_attached *ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t bytes = 0;
	int r = file_read_regular(AT_FDCWD, path, ATTACHED_BYTES_MAX, &text, &bytes, e);

	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	if (r == 0)
		r = network_attached_read(text, bytes, ret, e);
	return r < 0 ? r : 1;
}

static int open_network_at(const char *path, struct network **ret, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open network namespace '%s'", path);
	return network_open(fd, ret, e);
}

/* Both are enforced at an interface of the namespace that a tap of ours is beside; here is none. */
static int check_attached(const struct config *config, struct err *e)
{
	if (config->runtime.egress_allow.n > 0)
		return err_say(e, ENOTSUP, "an egress policy does not hold for its interfaces");
	if (config->hypervisor.rx_max_rate || config->hypervisor.tx_max_rate)
		return err_say(e, ENOTSUP, "a rate limit does not hold for its interfaces");
	return 0;
}

/* A folder that this user may not enter, such as root's in /run. Its files describe interfaces of
 * root's containers, so they are not looked for. */
static bool is_closed(const char *folder)
{
	return faccessat(AT_FDCWD, folder, X_OK, AT_EACCESS) < 0 && errno == EACCES;
}

int interfaces_begin_attached(struct interfaces *all, const char *id, const struct config *config,
			      struct err *e)
{
	auto_free char *path = str_printf("%s/%s.json", config->runtime.dan_conf, id);
	struct network_attached a = {0};
	int r = 0;

	if (!path)
		return err_sys(e, ENOMEM, "look for interfaces");
	if (is_closed(config->runtime.dan_conf))
		log_info("ignoring '%s', which is closed to this user", config->runtime.dan_conf);
	else if (*config->runtime.dan_conf)
		r = read_attached(path, &a, e);
	if (r == 0)
		return 0;
	if (r > 0)
		r = check_attached(config, e);
	if (r == 0)
		r = open_network_at(a.netns ? a.netns : "/proc/self/ns/net", &all->network, e);
	if (r == 0) {
		all->facts = a.facts;
		a.facts = (struct network_facts){0};
		all->taps = take_ptr(a.taps);
	}
	network_attached_fini(&a);
	return r < 0 ? err_wrap(e, r, "attach the interfaces of '%s'", path) : 1;
}
