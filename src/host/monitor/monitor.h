#pragma once

/*
 * kata-monitor: one page with the metrics of all pods of a host, for Prometheus.
 *
 *	kata-monitor [-listen-address HOST:PORT]
 *
 * It finds pods by their folders below pod_dir_base(), which it reads anew for each request, so
 * that nothing can be out of date and nothing wakes it up while nobody asks. It needs the user of
 * the sandbox servers, root, because they serve nobody else, but no capability, and gives all up.
 *
 * Whom it distrusts: a pod, which may be slow, endless, or tell of another pod: each has its time
 * and its size (scrape.h), its text is read line by line (families.h). Who asks over TCP gets pages
 * only, at most so many at once.
 *
 * Threads: one, the loop's; libmicrohttpd runs on it.
 */

/* The whole program. Returns its exit code. */
int monitor_main(int argc, char **argv);
