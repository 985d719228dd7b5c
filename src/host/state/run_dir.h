#pragma once

/* The folder for what lives no longer than the host runs. */
#define RUN_DIR "/run"

/**
 * run_dir_path() - the path of @name in the caller's folder for run-time files
 * @system:	RUN_DIR, or a test's folder
 *
 * That is @system, or $XDG_RUNTIME_DIR for a caller that may not write to @system: an engine that
 * runs without root is root of a user namespace only. Without that variable, or if it is no
 * absolute path, it is @system all the same, and making something there fails with the reason.
 * Returns new memory, or NULL when out of memory.
 */
char *run_dir_path(const char *system, const char *name);
