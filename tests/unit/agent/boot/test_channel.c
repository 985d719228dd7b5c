#include "tests/test.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/boot/steps.h"
#include "base/file.h"

TEST(addresses_of_all_kinds_are_understood)
{
	struct channel c;

	CHECK_EQ(channel_parse("vsock://-1:1024", &c, NULL), 0);
	CHECK_EQ(c.kind, CHANNEL_LISTEN);
	CHECK_EQ(c.cid, VMADDR_CID_ANY);
	CHECK_EQ(c.port, 1024);
	CHECK_STR(c.name, "");
	CHECK_EQ(channel_parse("vsock://3:4294967295", &c, NULL), 0);
	CHECK_EQ(c.cid, 3);
	CHECK_EQ(c.port, 4294967295U);
	CHECK_EQ(channel_parse("serial://agent.channel.0", &c, NULL), 0);
	CHECK_EQ(c.kind, CHANNEL_SERIAL);
	CHECK_STR(c.name, "agent.channel.0");
	CHECK_EQ(channel_parse("unix:///run/x.sock", &c, NULL), 0);
	CHECK_EQ(c.kind, CHANNEL_LISTEN);
	CHECK_STR(c.name, "/run/x.sock");
}

TEST(what_is_no_address_is_refused_by_name)
{
	static const char *const bad[] = {
		"",
		"vsock",
		"vsock://",
		"vsock://1",
		"vsock://:1",
		"vsock://-2:1",
		"vsock://1:-1",
		"vsock://1:x",
		"vsock://99999999999999999999:1",
		"vsock://4294967296:1",
		"serial://",
		"unix://",
		"tcp://1.2.3.4:5",
	};
	static char long_path[300] = "unix:///";

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct err e = {0};
		struct channel c;

		CHECK_EQ(channel_parse(bad[i], &c, &e), -EINVAL);
		CHECK(strstr(e.text, "is no address to serve at"));
	}
	memset(long_path + 8, 'x', 200);
	CHECK_EQ(channel_parse(long_path, &(struct channel){0}, NULL), -EINVAL);
}

TEST(a_socket_left_over_is_replaced)
{
	auto_free char *path = str_printf("/tmp/test-agent-channel-%d", getpid());
	auto_free char *addr = str_printf("unix://%s", path);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct channel c;

	CHECK_EQ(channel_parse(addr, &c, NULL), 0);
	for (int i = 0; i < 2; i++) {
		auto_close int fd = channel_listen(&c, NULL);
		auto_close int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		CHECK(fd >= 0);
		strcpy(name.sun_path, path);
		CHECK_EQ(connect(peer, (struct sockaddr *) &name, sizeof name), 0);
	}
	CHECK_EQ(unlink(path), 0);
}

/* Anybody on the host and in the guest can dial the port. */
TEST(only_the_host_is_admitted_and_only_its_root_when_that_was_promised)
{
	static const struct {
		unsigned cid, port;
		bool to_all, to_privileged;
	} peers[] = {
		{VMADDR_CID_HOST, 1, true, true},
		{VMADDR_CID_HOST, 1023, true, true},
		{VMADDR_CID_HOST, 1024, true, false},
		{VMADDR_CID_HOST, 0xfffffffe, true, false},
		{VMADDR_CID_LOCAL, 1, false, false},
		{VMADDR_CID_HYPERVISOR, 1, false, false},
		{3, 1, false, false},
		{VMADDR_CID_ANY, 1, false, false},
	};

	for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
		const struct sockaddr_vm peer = {
			.svm_family = AF_VSOCK,
			.svm_cid = peers[i].cid,
			.svm_port = peers[i].port,
		};

		CHECK_EQ(channel_admits(&peer, false), peers[i].to_all);
		CHECK_EQ(channel_admits(&peer, true), peers[i].to_privileged);
	}
}
