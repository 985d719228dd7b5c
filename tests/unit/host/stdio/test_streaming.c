#include "tests/unit/ttrpc/ttrpc_peer.h"

#include "base/file.h"
#include "base/log.h"
#include "host/stdio/streaming.h"
#include "streaming.pb-c.h"
#include "transfer.pb-c.h"

/* containerd by hand, at the other end of a line that serves the streams. */
static struct {
	struct loop *loop;
	struct ttrpc_server *server;
	struct streaming *all;
	int peer;
} here;

static void serve(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	(void) arg;
	CHECK(!request);
	streaming_serve(here.all, call);
}

static const struct ttrpc_method methods[] = {{"Stream", serve}};
static const struct ttrpc_service service = {
	.descriptor = &containerd__services__streaming__v1__streaming__descriptor,
	.methods = methods,
	.n_methods = 1,
	.of_streams = true,
};
static const struct ttrpc_service *const services[] = {&service};

static void dial(void)
{
	int line[2];

	socket_pair(line);
	CHECK_EQ(ttrpc_server_serve(here.server, line[0], NULL), 0);
	here.peer = line[1];
}

static void up(void)
{
	(void) signal(SIGPIPE, SIG_IGN);
	log_open(-1, LOG_TEXT, LOG_ERROR);
	CHECK_EQ(loop_new(&here.loop, NULL), 0);
	CHECK_EQ(streaming_new(here.loop, &here.all, NULL), 0);
	CHECK_EQ(ttrpc_server_new(here.loop, services, 1, NULL, &here.server, NULL), 0);
	dial();
}

static void down(void)
{
	ttrpc_server_free(here.server);
	streaming_free(here.all);
	fd_close(here.peer);
	loop_free(here.loop);
}

static void send_frame(const ProtobufCMessage *m, uint32_t stream, int type, int flags)
{
	size_t bytes;
	auto_free uint8_t *frame = peer_frame(m, stream, type, flags, &bytes);

	CHECK_EQ(fd_write_all(here.peer, frame, bytes), 0);
	settle(here.loop);
}

static void say(uint32_t stream, const char *type, const ProtobufCMessage *m)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	uint8_t packed[512];

	CHECK(protobuf_c_message_get_packed_size(m) <= sizeof packed);
	any.type_url = (char *) type;
	any.value.data = packed;
	any.value.len = protobuf_c_message_pack(m, packed);
	send_frame(&any.base, stream, 3, 0);
}

static void say_window(uint32_t stream, int32_t update)
{
	Containerd__Types__Transfer__WindowUpdate w =
		CONTAINERD__TYPES__TRANSFER__WINDOW_UPDATE__INIT;

	w.update = update;
	say(stream, "containerd.types.transfer.WindowUpdate", &w.base);
}

static void say_data(uint32_t stream, const char *text)
{
	Containerd__Types__Transfer__Data d = CONTAINERD__TYPES__TRANSFER__DATA__INIT;

	d.data.data = (uint8_t *) text;
	d.data.len = strlen(text);
	say(stream, "containerd.types.transfer.Data", &d.base);
}

static void say_end(uint32_t stream)
{
	const Google__Protobuf__Any none = GOOGLE__PROTOBUF__ANY__INIT;

	send_frame(&none.base, stream, 3, 1 | 4);
}

/* The next message on @stream: its type, "end" at the end of the stream, or "refused". */
static const char *hear(uint32_t stream, char text[256])
{
	static char type[128];
	struct peer_frame f = {0};

	CHECK(peer_read_frame(here.loop, here.peer, &f));
	CHECK_EQ(f.stream, stream);
	text[0] = '\0';
	if (f.type == 2 || f.flags & 1) {
		free(f.body);
		return f.type == 2 ? "refused" : "end";
	}

	Google__Protobuf__Any *any = google__protobuf__any__unpack(NULL, f.bytes, f.body);

	CHECK(any);
	(void) snprintf(type, sizeof type, "%s", strrchr(any->type_url, '.') + 1);
	if (strcmp(type, "Data") == 0) {
		Containerd__Types__Transfer__Data *d = containerd__types__transfer__data__unpack(
			NULL, any->value.len, any->value.data);

		(void) snprintf(text, 256, "%.*s", (int) d->data.len, (char *) d->data.data);
		containerd__types__transfer__data__free_unpacked(d, NULL);
	}
	google__protobuf__any__free_unpacked(any, NULL);
	free(f.body);
	return type;
}

#define CHECK_HEARS(stream, type, want)               \
	do {                                          \
		char said_[256];                      \
		CHECK_STR(hear(stream, said_), type); \
		CHECK_STR(said_, want);               \
	} while (0)

static void open_only(uint32_t stream)
{
	Ttrpc__Request r = TTRPC__REQUEST__INIT;

	r.service = (char *) "containerd.services.streaming.v1.Streaming";
	r.method = (char *) "Stream";
	send_frame(&r.base, stream, 1, 2);
}

static void open_stream(uint32_t stream, const char *id)
{
	Containerd__Services__Streaming__V1__StreamInit init =
		CONTAINERD__SERVICES__STREAMING__V1__STREAM_INIT__INIT;

	open_only(stream);
	init.id = (char *) id;
	say(stream, "containerd.services.streaming.v1.StreamInit", &init.base);
	CHECK_HEARS(stream, "Empty", "");
}

static struct stream *process_end(const char *id, enum stream_direction direction)
{
	struct stream *s = NULL;

	CHECK_EQ(streaming_open(here.all, id, direction, &s, NULL), 0);
	settle(here.loop);
	return s;
}

static void ready(void *arg)
{
	(void) arg;
}

TEST(output_comes_as_far_as_the_client_takes_it_and_to_its_end)
{
	up();
	open_stream(1, "c-stdout");
	say_window(1, 4); /* before there is a process */

	struct stream *s = process_end("c-stdout", STREAM_OUT);

	stream_on_ready(s, ready, NULL);
	CHECK_EQ(stream_write(s, "hello world", 11), 11);
	CHECK_HEARS(1, "Data", "hell");
	say_window(1, 5);
	CHECK_HEARS(1, "Data", "o wor");
	stream_close(s);
	settle(here.loop);
	say_window(1, 100);
	CHECK_HEARS(1, "Data", "ld");
	CHECK_HEARS(1, "end", "");
	down();
}

TEST(output_waits_for_a_client_that_comes_again)
{
	up();

	struct stream *s = process_end("c-stdout", STREAM_OUT);

	stream_on_ready(s, ready, NULL);
	CHECK_EQ(stream_write(s, "early", 5), 5);
	open_stream(1, "c-stdout");
	say_window(1, 100);
	CHECK_HEARS(1, "Data", "early");
	fd_close(here.peer);
	settle(here.loop);
	CHECK_EQ(stream_write(s, "meanwhile", 9), 9);
	stream_close(s);
	settle(here.loop);
	dial();
	open_stream(1, "c-stdout");
	say_window(1, 100);
	CHECK_HEARS(1, "Data", "meanwhile");
	CHECK_HEARS(1, "end", "");
	down();
}

TEST(input_is_taken_up_to_the_window_and_ends_when_the_client_says_so)
{
	char text[16];

	up();
	open_stream(1, "c-stdin");

	struct stream *s = process_end("c-stdin", STREAM_IN);

	stream_on_ready(s, ready, NULL);
	CHECK_HEARS(1, "WindowUpdate", "");
	say_data(1, "line\n");
	CHECK_EQ(stream_read(s, text, sizeof text), 5);
	CHECK_HEARS(1, "WindowUpdate", "");
	say_end(1);
	CHECK_HEARS(1, "end", "");
	CHECK_EQ(stream_read(s, text, sizeof text), 0);
	stream_close(s);
	/* What ends before the process is there is at its end then. */
	open_stream(3, "d-stdin");
	say_end(3);
	s = process_end("d-stdin", STREAM_IN);
	CHECK_EQ(stream_read(s, text, sizeof text), 0);
	CHECK_HEARS(3, "end", "");
	stream_close(s);
	down();
}

TEST(closing_the_input_is_its_end_though_the_client_stays)
{
	char text[16];

	up();
	open_stream(1, "c-stdin");

	struct stream *s = process_end("c-stdin", STREAM_IN);

	CHECK_HEARS(1, "WindowUpdate", "");
	say_data(1, "rest");
	CHECK_HEARS(1, "WindowUpdate", "");
	stream_end(s);
	CHECK_EQ(stream_read(s, text, sizeof text), 4);
	CHECK_EQ(stream_read(s, text, sizeof text), 0);
	stream_close(s);
	settle(here.loop);
	CHECK_HEARS(1, "end", "");
	down();
}

TEST(a_client_that_closes_its_output_breaks_the_pipe)
{
	up();
	open_stream(1, "c-stdout");

	struct stream *s = process_end("c-stdout", STREAM_OUT);

	stream_on_ready(s, ready, NULL);
	say_end(1);
	CHECK_HEARS(1, "end", "");
	CHECK_EQ(stream_write(s, "x", 1), -EPIPE);
	stream_close(s);
	down();
}

TEST(whoever_does_not_keep_to_the_rules_is_refused_and_others_go_on)
{
	const Google__Protobuf__Any none = GOOGLE__PROTOBUF__ANY__INIT;
	struct stream *other;
	struct err e = {0};

	up();
	open_only(1);
	say_window(1, 7); /* no StreamInit */
	CHECK_HEARS(1, "refused", "");
	open_stream(3, "c-stdin");
	say_data(3, "not asked for");
	CHECK_HEARS(3, "refused", "");
	open_stream(5, "d-stdout");
	say_window(5, -1);
	CHECK_HEARS(5, "refused", "");
	open_stream(7, "e-stdout");
	send_frame(&none.base, 7, 3, 0);
	CHECK_HEARS(7, "refused", "");
	say_window(7, 5); /* to a stream that is no more */
	/* The line is in step. */
	open_stream(9, "f-stdout");

	struct stream *s = process_end("f-stdout", STREAM_OUT);

	CHECK_EQ(streaming_open(here.all, "f-stdout", STREAM_OUT, &other, &e), -EEXIST);
	stream_close(s);
	say_window(9, 5);
	CHECK_HEARS(9, "end", "");
	down();
}
