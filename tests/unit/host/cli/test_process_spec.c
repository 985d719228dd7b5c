#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "host/cli/process_spec.h"

static char root[] = "/tmp/kata-test-spec-XXXXXX";

static const char config[] =
	"{ \"ociVersion\": \"1.0.2\", \"root\": { \"path\": \"rootfs\" }, \"process\": {"
	" \"terminal\": true, \"cwd\": \"/home\", \"args\": [ \"init\" ], \"env\": [ \"A=1\" ],"
	" \"user\": { \"uid\": 7, \"gid\": 8 },"
	" \"capabilities\": { \"bounding\": [ \"CAP_KILL\" ] } } }";

/* A container that was made of the config above. */
static void make_container(struct state_dir *dir)
{
	CHECK(mkdtemp(root));
	CHECK_EQ(state_dir_make(root, "c1", dir, NULL), 0);

	struct record record = {
		.bundle = dir->path,
		.rootfs = "",
		.created = "",
		.owner = "",
	};

	CHECK_EQ(record_write(dir, &record, NULL), 0);
	CHECK_EQ(file_replace(dir->fd, OCI_SAVED_NAME, config, strlen(config), 0600, NULL), 0);
}

static void remove_container(struct state_dir *dir)
{
	CHECK_EQ(state_dir_remove(dir, NULL), 0);
	state_dir_close(dir);
	CHECK_EQ(dir_remove(AT_FDCWD, root, NULL), 0);
}

TEST(what_is_not_said_is_inherited)
{
	struct state_dir dir = STATE_DIR_NONE;
	struct process_options o = {0};
	auto_ptr(oci_process_free) Grpc__Process *p = NULL;
	char *argv[] = {"ls", "-l"};

	make_container(&dir);
	CHECK_EQ(process_spec_make(&o, &dir, 2, argv, &p, NULL), 0);
	CHECK_EQ(p->n_args, 2);
	CHECK_STR(p->args[0], "ls");
	CHECK_STR(p->cwd, "/home");
	CHECK_STR(p->env[0], "A=1");
	CHECK_EQ(p->user->uid, 7);
	CHECK(!p->terminal);
	remove_container(&dir);
}

TEST(options_come_on_top)
{
	struct state_dir dir = STATE_DIR_NONE;
	struct process_options o = {
		.cwd = "/",
		.user = "1000:2000",
		.env = {.items = {"B=2"}, .n = 1},
		.gids = {.items = {"5"}, .n = 1},
		.caps = {.items = {"CAP_NET_RAW"}, .n = 1},
		.tty = true,
	};
	auto_ptr(oci_process_free) Grpc__Process *p = NULL;
	char *argv[] = {"id"};

	make_container(&dir);
	CHECK_EQ(process_spec_make(&o, &dir, 1, argv, &p, NULL), 0);
	CHECK_STR(p->cwd, "/");
	CHECK_EQ(p->user->uid, 1000);
	CHECK_EQ(p->user->gid, 2000);
	CHECK_EQ(p->user->additionalgids[0], 5);
	CHECK_STR(p->env[1], "B=2");
	CHECK_EQ(p->capabilities->n_bounding, 2);
	CHECK_EQ(p->capabilities->n_effective, 1);
	CHECK_EQ(p->capabilities->n_ambient, 0);
	CHECK(p->terminal);
	remove_container(&dir);
}

TEST(nonsense_is_refused_by_name)
{
	struct state_dir dir = STATE_DIR_NONE;
	struct process_options user = {.user = "nobody"};
	struct process_options cap = {.caps = {.items = {"CAP_NONSENSE"}, .n = 1}};
	struct process_options label = {.apparmor = "x"};
	struct err e = {0};
	auto_ptr(oci_process_free) Grpc__Process *p = NULL;
	char *argv[] = {"id"};

	make_container(&dir);
	CHECK_EQ(process_spec_make(&user, &dir, 1, argv, &p, &e), -EINVAL);
	CHECK_STR(e.text, "option --user: 'nobody' is not a numeric id");
	err_clear(&e);
	CHECK_EQ(process_spec_make(&cap, &dir, 1, argv, &p, &e), -EINVAL);
	CHECK_STR(e.text, "option --cap: there is no capability 'CAP_NONSENSE'");
	err_clear(&e);
	CHECK_EQ(process_spec_make(&label, &dir, 1, argv, &p, NULL), -ENOTSUP);
	CHECK_EQ(process_spec_make(&(struct process_options){0}, &dir, 0, NULL, &p, NULL), -EINVAL);
	remove_container(&dir);
}
