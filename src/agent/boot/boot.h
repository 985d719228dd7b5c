#pragma once

/**
 * DOC: agent/boot - from the kernel's last step to the first request, and the end
 *
 * The agent is the guest's PID 1: no process runs before it and none cleans up after it.
 *
 *	first line on the console          the kernel has come this far
 *	  │ mounts                         /proc, /sys, /dev, ..., and away from the initramfs
 *	  │ options                        agent.* on the kernel's command line, KATA_AGENT_*
 *	  │ channel                        modules, the port or the socket the host speaks on
 *	  ▼
 *	serving                            agent/rpc answers; children are reaped
 *	  │ DestroySandbox, SIGTERM, SIGINT, SIGPWR
 *	  ▼
 *	power-off                          containers killed, storages unmounted, disks synced
 *
 * PID 1 must not end: the kernel would panic. A failure after the first line is logged and, if the
 * agent cannot go on, ends in a power-off.
 *
 * When it is not PID 1 (in tests) the agent makes no mounts, loads no modules, and ends instead of
 * switching the machine off.
 */

/* The whole life of the agent. Returns the exit code, if it is not PID 1. */
int boot_main(void);
