#include "tests/test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/auto.h"
#include "base/claim.h"
#include "base/file.h"
#include "base/proc_stat.h"
#include "host/cli/leftovers.h"
#include "host/state/pod_dir.h"
#include "host/state/state_dir.h"

static struct {
	char folder[32];
	char *pods, *shares, *root;
	struct cli cli;
} here;

static void up(void)
{
	strcpy(here.folder, "/tmp/test-left-XXXXXX");
	CHECK(mkdtemp(here.folder) != NULL);
	here.pods = str_printf("%s/pods", here.folder);
	here.shares = str_printf("%s/shares", here.folder);
	here.root = str_printf("%s/root", here.folder);
	here.cli = (struct cli){.program = "test", .root = here.root};
	CHECK_EQ(mkdir(here.shares, 0700), 0);
	CHECK_EQ(mkdir(here.root, 0700), 0);
	/* What is said is not this test's. */
	CHECK(freopen("/dev/null", "w", stdout) != NULL);
}

static void down(void)
{
	CHECK_EQ(dir_remove(AT_FDCWD, here.folder, NULL), 0);
	free(here.pods);
	free(here.shares);
	free(here.root);
}

static unsigned clean(bool dry_run)
{
	struct leftovers l = {
		.cli = &here.cli,
		.pods_base = here.pods,
		.shares_base = here.shares,
		.dry_run = dry_run,
	};

	leftovers_remove(&l);
	CHECK_EQ(l.failed, 0);
	return l.found;
}

/* As the kernel does with a killed server's. */
static void die(struct pod_dir *p)
{
	close(p->lock_fd);
	close(p->listen_fd);
	free(p->path);
}

static void write_in(const char *folder, const char *name, const char *text)
{
	auto_close int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_EQ(file_replace(dir, name, text, strlen(text), 0600, NULL), 0);
}

TEST(what_dead_servers_have_left_is_found_and_removed)
{
	struct state_dir one;
	struct pod_dir pod;

	up();
	CHECK_EQ(clean(false), 0);

	auto_free char *lost = str_printf("%s/lost", here.shares);

	CHECK_EQ(state_dir_make(here.root, "one", &one, NULL), 0);
	write_in(one.path, "state.json", "{}");
	CHECK_EQ(pod_dir_make(here.pods, "one", one.path, &pod, NULL), 0);
	CHECK_EQ(mkdir(lost, 0700), 0);
	die(&pod);
	CHECK_EQ(clean(true), 2); /* the container is being made */
	state_dir_close(&one);
	CHECK_EQ(clean(false), 3);
	CHECK_EQ(clean(false), 0);
	down();
}

TEST(what_lives_is_not_touched)
{
	struct state_dir made, served, noted;
	struct pod_dir pod;
	int share_fd, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	up();

	auto_free char *share = str_printf("%s/mine", here.shares);
	auto_free char *notes =
		str_printf("{\"server\":{\"pid\":%d,\"start_time\":%llu}}", getpid(),
			   (unsigned long long) proc_start_time(getpid()));
	auto_free char *stale = str_printf("{\"server\":{\"pid\":%d,\"start_time\":1}}", getpid());

	CHECK_EQ(pod_dir_make(here.pods, "one", NULL, &pod, NULL), 0);
	CHECK_EQ(claim_folder(share, &share_fd, NULL), 0);
	CHECK_EQ(state_dir_make(here.root, "made", &made, NULL), 0);
	CHECK_EQ(state_dir_make(here.root, "served", &served, NULL), 0);
	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s/shim.sock", served.path);
	CHECK_EQ(bind(fd, (struct sockaddr *) &at, sizeof at), 0);
	CHECK_EQ(listen(fd, 1), 0);
	CHECK_EQ(state_dir_make(here.root, "noted", &noted, NULL), 0);
	write_in(noted.path, "sandbox.json", notes);
	state_dir_close(&served);
	CHECK(state_server_lives(noted.fd));
	CHECK_EQ(clean(false), 0);

	/* Each on its own, so that no reason stands for another. */
	close(fd);
	CHECK_EQ(clean(true), 1);
	state_dir_close(&made);
	CHECK_EQ(clean(true), 2);
	close(share_fd);
	CHECK_EQ(clean(true), 3);
	die(&pod);
	CHECK_EQ(clean(true), 4);
	write_in(noted.path, "sandbox.json", stale);
	CHECK(!state_server_lives(noted.fd));
	state_dir_close(&noted);
	CHECK_EQ(clean(true), 5);
	down();
}

TEST(of_a_bundle_only_a_socket_that_nobody_serves_goes)
{
	struct pod_dir pod;
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	up();

	auto_free char *bundle = str_printf("%s/bundle", here.folder);
	auto_free char *address = str_printf("unix://%s/sock", here.folder);

	CHECK_EQ(mkdir(bundle, 0711), 0);
	write_in(bundle, "address", address);
	write_in(bundle, "config.json", "{}");
	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s/sock", here.folder);
	CHECK_EQ(bind(fd, (struct sockaddr *) &at, sizeof at), 0);
	CHECK_EQ(listen(fd, 1), 0);
	CHECK_EQ(pod_dir_make(here.pods, "pod", bundle, &pod, NULL), 0);
	die(&pod);
	CHECK_EQ(clean(true), 1);
	close(fd);
	CHECK_EQ(clean(false), 2);
	CHECK(access(at.sun_path, F_OK) < 0);
	CHECK_EQ(stat(bundle, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0711);
	CHECK_EQ(clean(false), 0);
	down();
}
