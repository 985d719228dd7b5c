#pragma once

/*
 * containerd-shim-kata-v2: the sandbox server.
 *
 *	containerd-shim-kata-v2 -namespace NS -id ID [...]		serve
 *	containerd-shim-kata-v2 -namespace NS -id ID [...] delete	clean up after a dead one
 *	containerd-shim-kata-v2 -namespace NS -id ID [...] start	start one for containerd
 *	containerd-shim-kata-v2 -info | -version | -help
 *
 * It answers containerd's task service and kata.v1.Admin on a unix socket that it inherits, and
 * owns one sandbox. docs/sandbox-server.md is its contract with its starter and its clients.
 *
 * Threads: the loop, and the sandbox's worker. Whom it distrusts: a client, until peer.h has judged
 * it; after that the client may do anything with the sandbox, but not crash the server or make it
 * grow without bound.
 */

/* The whole program. Returns its exit code. */
int shim_main(int argc, char **argv);
