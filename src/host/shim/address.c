#include "host/shim/address.h"

#include <errno.h>
#include <sha256.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"

#define BACKLOG 64

int address_text(const struct address *a, char buf[static ADDRESS_BYTES], struct err *e)
{
	const char *dir = a->dir && a->dir[0] ? a->dir : ADDRESS_DIR;
	char name[SHA256_DIGEST_STRING_LENGTH];
	SHA2_CTX sum;

	SHA256Init(&sum);
	SHA256Update(&sum, (const uint8_t *) a->containerd, strlen(a->containerd));
	SHA256Update(&sum, (const uint8_t *) "/", 1);
	SHA256Update(&sum, (const uint8_t *) a->namespace, strlen(a->namespace));
	SHA256Update(&sum, (const uint8_t *) "/", 1);
	SHA256Update(&sum, (const uint8_t *) a->sandbox, strlen(a->sandbox));
	(void) SHA256End(&sum, name);

	if (dir[0] != '/')
		return err_say(e, EINVAL, "socket folder '%s' is not absolute", dir);

	int n = snprintf(buf, ADDRESS_BYTES, ADDRESS_SCHEME "%s/%s", dir, name);

	if (n < 0 || (size_t) n >= ADDRESS_BYTES)
		return err_say(e, ENAMETOOLONG, "socket folder '%s' is too long", dir);
	return 0;
}

static int socket_at(const struct address *a, struct sockaddr_un *ret, struct err *e)
{
	char text[ADDRESS_BYTES];
	int r = address_text(a, text, e);

	if (r < 0)
		return r;
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void) snprintf(ret->sun_path, sizeof ret->sun_path, "%s", text + strlen(ADDRESS_SCHEME));
	return 0;
}

static int new_socket(int *ret, struct err *e)
{
	*ret = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* bind() gives the file this mode; with a later chmod() others could connect in between. */
	if (*ret < 0 || fchmod(*ret, 0600) < 0)
		return err_sys(e, errno, "make a socket");
	return 0;
}

/* Whether a shim accepts connections at @at. Only a refusal means that nobody does: any other
 * failure, as a lack of descriptors, must not take the socket away from a shim that lives. */
static int probe(const struct sockaddr_un *at, bool *ret_served, struct err *e)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, errno, "make a socket");
	*ret_served = connect(fd, (const struct sockaddr *) at, sizeof *at) == 0;
	if (!*ret_served && errno != ECONNREFUSED && errno != ENOENT)
		return err_sys(e, errno, "connect to '%s'", at->sun_path);
	return 0;
}

/* Binds @fd, unless a shim serves there. */
static int bind_unless_served(int fd, const struct sockaddr_un *at, bool *ret_served, struct err *e)
{
	int r;

	*ret_served = false;
	if (bind(fd, (const struct sockaddr *) at, sizeof *at) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return err_sys(e, errno, "bind '%s'", at->sun_path);
	r = probe(at, ret_served, e);
	if (r < 0 || *ret_served)
		return r;
	(void) unlink(at->sun_path);
	if (bind(fd, (const struct sockaddr *) at, sizeof *at) < 0)
		return err_sys(e, errno, "bind '%s'", at->sun_path);
	return 0;
}

int address_listen(const struct address *a, int *ret_fd, struct err *e)
{
	struct sockaddr_un at;
	auto_close int fd = -1;
	bool served = false;
	int r = socket_at(a, &at, e);

	*ret_fd = -1;
	if (r == 0)
		r = dir_make(a->dir && a->dir[0] ? a->dir : ADDRESS_DIR, 0700, e);
	if (r == 0)
		r = new_socket(&fd, e);
	if (r == 0)
		r = bind_unless_served(fd, &at, &served, e);
	if (r < 0 || served)
		return r;
	if (listen(fd, BACKLOG) < 0)
		return err_sys(e, errno, "listen on '%s'", at.sun_path);
	*ret_fd = take_fd(&fd);
	return 0;
}

void address_remove(const struct address *a)
{
	struct sockaddr_un at;

	if (socket_at(a, &at, NULL) == 0)
		(void) unlink(at.sun_path);
}
