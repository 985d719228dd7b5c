#pragma once

#include "base/err.h"
#include "base/loop.h"
#include "host/stdio/stream.h"
#include "ttrpc/ttrpc.h"

/*
 * Standard streams that containerd carries over its connection to the shim, instead of fifos (CRI's
 * io_type = "streaming", containerd 2): Streaming/Stream of proto/streaming.proto.
 *
 *	containerd ══ stream "ID" ══► an entry ◄── socket pair ──► struct stream of the process
 *
 * An entry has a name. Its client comes before the process is made, and may go and come again, as
 * containerd does when it restarts; meanwhile output stays in the socket pair, and the process
 * waits when that is full. Nothing is lost but what was under way on the broken connection. An
 * entry ends when either side has closed its end; one without a process goes with its client.
 *
 * Whoever reads says how much it takes (WindowUpdate): the client of output, and this side of
 * input, which takes STREAMING_WINDOW_BYTES. So neither keeps more than that.
 *
 * Threads: none, all on the loop. Distrusts: the client, which is the server's own user, in what it
 * sends: an input above the window, or what is no message, ends the stream.
 */
struct streaming;

#define STREAMING_WINDOW_BYTES (64U << 10)
/* Of one server. When there are more, one whose process has ended and whose client is away goes. */
#define STREAMING_MAX 1024

int streaming_new(struct loop *loop, struct streaming **ret, struct err *e);

/* Ends all streams. The ttrpc server must still be there, or have ended their calls. Accepts
 * NULL. */
void streaming_free(struct streaming *all);
AUTO_PTR(struct streaming, streaming_free)

/* A client has opened a stream; owns @call. */
void streaming_serve(struct streaming *all, struct ttrpc_call *call);

/* The process's end of the stream @id. Returns 0, -EEXIST (another process has it), or -errno. */
int streaming_open(struct streaming *all, const char *id, enum stream_direction direction,
		   struct stream **ret, struct err *e);
