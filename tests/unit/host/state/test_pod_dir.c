#include "tests/test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/state/pod_dir.h"

static char folder[32];
static char *base;

static void up(void)
{
	strcpy(folder, "/tmp/test-pods-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	base = str_printf("%s/sbs", folder);
}

static void down(void)
{
	CHECK_EQ(rmdir(base), 0);
	CHECK_EQ(rmdir(folder), 0);
	free(base);
}

static int dial(const char *pod)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s/" POD_SOCKET, pod);
	return connect(fd, (struct sockaddr *) &at, sizeof at) < 0 ? -errno : 0;
}

TEST(a_folder_has_a_socket_for_its_owner_only_and_a_link_to_the_notes)
{
	struct pod_dir p;
	struct stat st;

	up();
	CHECK_EQ(pod_dir_make(base, "one", "/run/notes", &p, NULL), 0);

	auto_free char *state = pod_dir_state(base, "one");
	auto_free char *socket = str_printf("%s/" POD_SOCKET, p.path);

	CHECK_STR(state, "/run/notes");
	CHECK_EQ(stat(socket, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK_EQ(dial(p.path), 0);
	pod_dir_remove(&p);
	CHECK(pod_dir_state(base, "one") == NULL);
	down();
}

TEST(the_folder_of_a_dead_server_is_buried_or_taken_and_that_of_a_live_one_is_not)
{
	struct pod_dir p, second, third;

	up();
	CHECK_EQ(pod_dir_bury(base, "one", 0, NULL), -ENOENT);
	CHECK_EQ(pod_dir_make(base, "one", NULL, &p, NULL), 0);
	CHECK_EQ(pod_dir_bury(base, "one", 0, NULL), -EWOULDBLOCK);
	CHECK_EQ(dial(p.path), 0);
	CHECK_EQ(pod_dir_make(base, "one", NULL, &second, NULL), 0);
	CHECK(strcmp(p.path, second.path) != 0);
	pod_dir_remove(&second);

	/* As the kernel does with a killed server's. */
	close(p.lock_fd);
	close(p.listen_fd);
	CHECK_EQ(dial(p.path), -ECONNREFUSED);
	CHECK_EQ(pod_dir_make(base, "one", "/run/notes", &third, NULL), 0);
	CHECK_STR(third.path, p.path);
	CHECK_EQ(dial(third.path), 0);
	close(third.lock_fd);
	close(third.listen_fd);
	CHECK_EQ(pod_dir_bury(base, "one", 0, NULL), 0);
	free(third.path);
	free(p.path);
	down();
}

/* As the kernel does a moment after a server was killed. */
static void *let_go(void *arg)
{
	const struct pod_dir *p = arg;

	(void) poll(NULL, 0, 50);
	close(p->listen_fd);
	close(p->lock_fd);
	return NULL;
}

TEST(the_folder_of_a_server_that_is_just_dying_is_buried_once_it_has_let_go)
{
	struct pod_dir p;
	pthread_t dying;

	up();
	CHECK_EQ(pod_dir_make(base, "one", NULL, &p, NULL), 0);
	CHECK_EQ(pthread_create(&dying, NULL, let_go, &p), 0);
	CHECK_EQ(pod_dir_bury(base, "one", clock_deadline(60000), NULL), 0);
	CHECK_EQ(pthread_join(dying, NULL), 0);
	free(p.path);
	down();
}
