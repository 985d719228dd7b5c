#include "tests/test.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "host/cgroup/systemd.h"

/* Messages of systemd 252. The fields of a reply are padded to 8 bytes; the body follows. */
#define REPLY_FIELDS "\x05\x01u\0\x01\0\0\0" /* REPLY_SERIAL 1 */

static const char good[] = "l\x02\x01\x01\x05\0\0\0\x2a\0\0\0\x08\0\0\0" REPLY_FIELDS
			   "\0\0\0\0\0"; /* a path that is "" */
static const char bad[] = "l\x03\x01\x01\x0b\0\0\0\x2b\0\0\0\x1b\0\0\0"
			  "\x04\x01s\0\x0a\0\0\0no.UnitErr\0\0\0\0\0" /* ERROR_NAME, to 24 bytes */
	;

static const char *read_it(const char *data, size_t bytes, bool *is_reply, char words[256])
{
	return systemd_reply_read(data, bytes, 1, is_reply, words);
}

TEST(a_reply_is_one_that_answers_the_call)
{
	char words[256], other[sizeof good];
	bool is_reply = false;

	CHECK(!read_it(good, sizeof good - 1, &is_reply, words));
	CHECK(is_reply);
	memcpy(other, good, sizeof good);
	other[20] = 2; /* to another call */
	CHECK(!read_it(other, sizeof good - 1, &is_reply, words));
	CHECK(!is_reply);
	memcpy(other, good, sizeof good);
	other[1] = 4; /* a signal */
	CHECK(!read_it(other, sizeof good - 1, &is_reply, words));
	CHECK(!is_reply);
}

TEST(what_is_cut_or_lies_about_its_length_is_no_reply)
{
	char words[256], other[sizeof good];
	bool is_reply = true;

	for (size_t n = 0; n < sizeof good - 1; n++) {
		CHECK(!read_it(good, n, &is_reply, words));
		CHECK(!is_reply);
	}
	memcpy(other, good, sizeof good);
	other[12] = 0x7f; /* fields longer than the message */
	CHECK(!read_it(other, sizeof good - 1, &is_reply, words));
	CHECK(!is_reply);
	CHECK(!read_it(bad, sizeof bad - 1, &is_reply, words));
	CHECK(!is_reply); /* has no REPLY_SERIAL */
}

TEST(a_refusal_has_the_words_of_systemd)
{
	char words[256];
	bool is_reply = false;

	uint8_t message[64];
	size_t n = 0;

	/* Header: fields of 8 + 19 bytes, padded to 32; a body of 12. */
	memset(message, 0, sizeof message);
	memcpy(message, "l\x03\x01\x01\x0c\0\0\0\x2b\0\0\0\x1b\0\0\0", 16);
	memcpy(message + 16, REPLY_FIELDS, 8);
	memcpy(message + 24, "\x04\x01s\0\x0a\0\0\0no.UnitErr", 18);
	n = 48; /* 16 + 27, padded */
	memcpy(message + n, "\x07\0\0\0exists.", 12);
	CHECK_STR(read_it((const char *) message, n + 12, &is_reply, words), "exists.");
	CHECK(is_reply);
}

/* One that has stopped neither takes a connection nor answers on one that it has. */
TEST(a_systemd_that_has_stopped_holds_nobody_beyond_the_deadline)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	auto_close int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) snprintf(at.sun_path, sizeof at.sun_path, "/tmp/test-systemd-%d", getpid());
	CHECK_EQ(bind(listener, (struct sockaddr *) &at, sizeof at), 0);
	CHECK_EQ(listen(listener, 0), 0);
	CHECK_EQ(systemd_dial(at.sun_path, clock_deadline(20), NULL), -ETIMEDOUT);
	/* The first is in its queue still, where there is no room for another. */
	CHECK_EQ(systemd_dial(at.sun_path, clock_deadline(20), NULL), -ETIMEDOUT);
	CHECK_EQ(systemd_dial(at.sun_path, clock_now(), NULL), -ETIMEDOUT);
	CHECK_EQ(unlink(at.sun_path), 0);
}
