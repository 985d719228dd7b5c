#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/file.h"
#include "host/shim/address.h"
#include "host/shim/bootstrap.h"
#include "host/shim/group.h"
#include "runtimeoptions.pb-c.h"
#include "ttrpc/ttrpc.h"

typedef Containerd__Runtime__Bootstrap__V1__BootstrapParams params_message;

static char folder[] = "/tmp/kata-test-start-XXXXXX";

/* A pipe's end with @bytes of @data in it, and its end of file. */
static int input(const void *data, size_t bytes)
{
	int pipes[2];

	CHECK_EQ(pipe2(pipes, O_CLOEXEC), 0);
	CHECK_EQ(fd_write_all(pipes[1], data, bytes), 0);
	fd_close(pipes[1]);
	return pipes[0];
}

static int packed(const ProtobufCMessage *m)
{
	uint8_t data[1024];

	CHECK(protobuf_c_message_get_packed_size(m) <= sizeof data);
	return input(data, protobuf_c_message_pack(m, data));
}

/* Runtime options that name a configuration file, as an Any in @any whose value is @buf. */
static void options(Google__Protobuf__Any *any, uint8_t buf[static 128])
{
	Runtimeoptions__V1__Options o = RUNTIMEOPTIONS__V1__OPTIONS__INIT;

	o.config_path = (char *) "/etc/kata.toml";
	google__protobuf__any__init(any);
	any->type_url = (char *) "runtimeoptions.v1.Options";
	any->value = (ProtobufCBinaryData){protobuf_c_message_pack(&o.base, buf), buf};
}

TEST(an_empty_input_is_an_older_caller_without_options)
{
	auto_close int fd = input("", 0);
	struct bootstrap b;

	CHECK_EQ(bootstrap_read(fd, "id", "ns", &b, NULL), 0);
	CHECK(!b.params);
	CHECK(!b.config_path);
}

TEST(an_any_is_the_options_of_an_older_caller)
{
	Google__Protobuf__Any any;
	uint8_t buf[128];

	options(&any, buf);

	auto_close int fd = packed(&any.base);
	struct bootstrap b;

	CHECK_EQ(bootstrap_read(fd, "id", "ns", &b, NULL), 0);
	CHECK(!b.params);
	CHECK_STR(b.config_path, "/etc/kata.toml");
	bootstrap_fini(&b);
}

TEST(an_any_counts_as_options_though_it_parses_as_params)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = (char *) "id";
	any.value = (ProtobufCBinaryData){5, (uint8_t *) "other"};

	auto_close int fd = packed(&any.base);
	struct bootstrap b;

	CHECK_EQ(bootstrap_read(fd, "id", "ns", &b, NULL), 0);
	CHECK(!b.params);
	bootstrap_fini(&b);
}

TEST(params_may_have_a_negative_level_and_unknown_extensions)
{
	params_message p = CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_PARAMS__INIT;
	Containerd__Runtime__Bootstrap__V1__Extension unknown =
		CONTAINERD__RUNTIME__BOOTSTRAP__V1__EXTENSION__INIT;
	Containerd__Runtime__Bootstrap__V1__Extension known =
		CONTAINERD__RUNTIME__BOOTSTRAP__V1__EXTENSION__INIT;
	Containerd__Runtime__Bootstrap__V1__Extension *list[] = {&unknown, &known};
	Google__Protobuf__Any other = GOOGLE__PROTOBUF__ANY__INIT, any;
	uint8_t buf[128];

	other.type_url = (char *) "example.v1.Unknown";
	unknown.value = &other;
	options(&any, buf);
	known.value = &any;
	p.instance_id = (char *) "id";
	p.namespace_ = (char *) "ns";
	p.log_level = -8;
	p.extensions = list;
	p.n_extensions = 2;

	auto_close int fd = packed(&p.base);
	struct bootstrap b;

	CHECK_EQ(bootstrap_read(fd, "id", "ns", &b, NULL), 0);
	CHECK(b.params);
	CHECK_EQ(b.params->log_level, -8);
	CHECK_STR(b.config_path, "/etc/kata.toml");
	bootstrap_fini(&b);
}

TEST(garbage_is_no_failure_because_older_options_may_be_of_any_kind)
{
	auto_close int fd = input("\xff\xff\xff garbage", 11);
	struct bootstrap b;

	CHECK_EQ(bootstrap_read(fd, "id", "ns", &b, NULL), 0);
	CHECK(!b.params);
	CHECK(!b.config_path);
}

TEST(a_pod_has_one_address_and_others_have_another)
{
	char a[ADDRESS_BYTES], b[ADDRESS_BYTES];
	struct address pod = {.containerd = "/c.sock", .namespace = "ns", .sandbox = "pod"};

	CHECK_EQ(address_text(&pod, a, NULL), 0);
	CHECK_EQ(address_text(&pod, b, NULL), 0);
	CHECK_STR(a, b);
	CHECK_EQ(strlen(a), strlen("unix://" ADDRESS_DIR "/") + 64);
	pod.namespace = "other";
	CHECK_EQ(address_text(&pod, b, NULL), 0);
	CHECK(strcmp(a, b) != 0);
}

TEST(the_longest_socket_folder_of_containerd_fits_and_no_other_is_cut)
{
	char dir[128] = "/", text[ADDRESS_BYTES];
	struct address a = {.dir = dir, .containerd = "", .namespace = "n", .sandbox = "s"};

	memset(dir + 1, 'd', 41);
	CHECK_EQ(address_text(&a, text, NULL), 0);
	memset(dir + 1, 'd', 100);
	CHECK_EQ(address_text(&a, text, NULL), -ENAMETOOLONG);
	strcpy(dir, "relative");
	CHECK_EQ(address_text(&a, text, NULL), -EINVAL);
}

TEST(a_socket_that_nobody_serves_is_replaced_and_one_that_is_served_is_not)
{
	CHECK(mkdtemp(folder));

	struct address a = {.dir = folder, .containerd = "", .namespace = "n", .sandbox = "s"};
	int first, second;

	CHECK_EQ(address_listen(&a, &first, NULL), 0);
	CHECK(first >= 0);
	CHECK_EQ(address_listen(&a, &second, NULL), 0);
	CHECK_EQ(second, -1);
	fd_close(first);
	CHECK_EQ(address_listen(&a, &second, NULL), 0);
	CHECK(second >= 0);
	fd_close(second);
	address_remove(&a);
	address_remove(&a);
	CHECK_EQ(rmdir(folder), 0);
}

/* Lowers the limit so that @n more descriptors can be opened. */
static void leave_descriptors(rlim_t n)
{
	int next = dup(0);
	struct rlimit limit;

	fd_close(next);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t) next + n;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST(a_socket_that_is_served_stays_when_it_cannot_be_tried_for_want_of_a_descriptor)
{
	CHECK(mkdtemp(folder));

	struct address a = {.dir = folder, .containerd = "", .namespace = "n", .sandbox = "s"};
	char text[ADDRESS_BYTES];
	int first, second = 0;

	CHECK_EQ(address_text(&a, text, NULL), 0);
	CHECK_EQ(address_listen(&a, &first, NULL), 0);
	leave_descriptors(1);
	CHECK_EQ(address_listen(&a, &second, NULL), -EMFILE);
	CHECK_EQ(second, -1);
	CHECK_EQ(access(text + strlen(ADDRESS_SCHEME), F_OK), 0);
	leave_descriptors(8);
	CHECK_EQ(address_listen(&a, &second, NULL), 0); /* served, as before */
	CHECK_EQ(second, -1);
	fd_close(first);
	address_remove(&a);
	CHECK_EQ(rmdir(folder), 0);
}

static int group(const char *bundle, const char *id, char **ret)
{
	const struct shim_options o = {.id = id, .namespace = "ns"};

	return group_of(bundle, &o, ret, NULL);
}

TEST(an_id_that_is_none_is_refused_before_anything_is_made)
{
	char *pod = NULL;

	CHECK_EQ(group("/nowhere", "../../etc", &pod), -EINVAL);
	CHECK(!pod);
}

static void write_config(const char *text)
{
	CHECK_EQ(file_replace(AT_FDCWD, "config.json", text, strlen(text), 0600, NULL), 0);
}

TEST(a_container_belongs_to_the_pod_that_an_annotation_names)
{
	static const char *const keys[] = {"io.kubernetes.cri.sandbox-id",
					   "io.kubernetes.cri-o.SandboxID",
					   "io.containerd.runc.v2.group"};
	char *pod;

	CHECK(mkdtemp(folder));
	CHECK_EQ(chdir(folder), 0);
	CHECK_EQ(group(".", "c", &pod), 0); /* no config.json: the sandbox API */
	CHECK_STR(pod, "c");
	free(pod);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		auto_free char *text =
			str_printf("{\"ociVersion\":\"1.0.2\",\"annotations\":{\"%s\":\"pod%zu\"}}",
				   keys[i], i);
		auto_free char *want = str_printf("pod%zu", i);

		write_config(text);
		CHECK_EQ(group(".", "c", &pod), 0);
		CHECK_STR(pod, want);
		free(pod);
	}
	write_config("{\"ociVersion\":\"1.0.2\",\"annotations\":{"
		     "\"io.kubernetes.cri.sandbox-id\":\"../../etc\"}}");
	CHECK_EQ(group(".", "c", &pod), -EINVAL);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}
