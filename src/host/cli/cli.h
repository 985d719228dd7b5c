#pragma once

/**
 * DOC: cli - the command line, compatible with runc's
 *
 * Every verb is a short-lived client of a sandbox server (containerd-shim-kata-v2) over ttRPC;
 * there is no second implementation of anything here. The verbs find the server by one folder per
 * container below --root (host/state/state_dir.h).
 *
 * The only process of the CLI that stays is the container's stand-in (standin.h): --pid-file and
 * `state` show its pid, and it exits with the container's exit code.
 *
 * Distrusts: config.json and everything else its caller names; the container's output never passes
 * through here. Trusts the sandbox server.
 */

/* Runs one command line. Returns the exit code; errors have been printed and logged. */
int cli_main(int argc, char **argv);
