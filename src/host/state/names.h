#pragma once

/* Names that kata-runtime and the sandbox server which it starts agree upon; the contract is in
 * docs/sandbox-server.md. */

#define SERVER_PROGRAM "containerd-shim-kata-v2"

/* Of containerd's namespaces, the one of lone containers: their server takes one Create. */
#define SERVER_NAMESPACE "kata-runtime"

/* In the environment of a new server: which descriptor of it is the socket to listen on. */
#define SERVER_LISTEN_FD_VARIABLE "KATA_RUNTIME_BIND_FD"
/* The one that both starters use. */
#define SERVER_LISTEN_FD     3
#define SERVER_LISTENS_ON_FD SERVER_LISTEN_FD_VARIABLE "=3"

/* In the folder for run-time files (run_dir.h): the containers of kata-runtime. */
#define STATE_DIR "kata-runtime"

/* In a container's folder; see state_dir.h. */
#define STATE_RECORD "state.json"
#define STATE_SOCKET "shim.sock"
#define STATE_NOTES  "sandbox.json"
