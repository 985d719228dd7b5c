#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/storage/storages.h"
#include "base/array.h"
#include "base/fd.h"

struct storage_job {
	struct list link;
	struct storages *storages;
	struct storage_order order;
	size_t at; /* which of the list */
	const struct storage_driver *driver;
	struct device_wait device;
	pid_t walker; /* the child that changes ownership; 0 for none */
	int walker_says;
	struct storage_job **slot; /* where the caller keeps it */
	storage_done_fn done;
	void *arg;
};

static const Grpc__Storage *current(const struct storage_job *job)
{
	return job->order.list[job->at];
}

static struct storage_hold *holder(const struct storage_job *job)
{
	return current(job)->shared ? job->order.shared : job->order.hold;
}

static void finish(struct storage_job *job, int r, const struct err *e)
{
	storage_done_fn done = job->done;
	void *arg = job->arg;

	*job->slot = NULL;
	storage_job_cancel(job);
	done(arg, r, e);
}

static void go_on(struct storage_job *job);

static void on_walker_end(void *arg, pid_t pid, int status)
{
	struct storage_job *job = arg;
	struct err e = {0};
	int r;

	(void) pid;
	job->walker = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		if (fd_read_all(job->walker_says, &e, sizeof e) < 0 || e.code <= 0) {
			e = (struct err){0};
			(void) err_say(&e, EIO, "the ownership of '%s' was not changed",
				       current(job)->mount_point);
		}
		e.text[sizeof e.text - 1] = '\0';
	}
	job->walker_says = fd_close(job->walker_says);
	r = -e.code;
	if (r < 0) {
		finish(job, r, &e);
		return;
	}
	job->at++;
	go_on(job);
}

/* A child walks the volume, because a large one would block the loop. */
static int start_walker(struct storage_job *job, int fd, struct err *e)
{
	int says[2];

	if (pipe2(says, O_CLOEXEC) < 0)
		return err_sys(e, errno, "change the ownership of a volume");

	auto_close int rd = says[0];
	auto_close int wr = says[1];
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, errno, "change the ownership of a volume");
	if (pid == 0) {
		struct err story = {0};

		if (ownership_set(fd, current(job)->fs_group->group_id, &story) == 0)
			_exit(0);
		(void) fd_write_all(wr, &story, sizeof story);
		_exit(1);
	}

	int r = reaper_expect(job->storages->config.reaper, pid, on_walker_end, job, e);

	if (r < 0) {
		(void) kill(pid, SIGKILL);
		return r;
	}
	job->walker = pid;
	job->walker_says = take_fd(&rd);
	return 0;
}

static bool is_read_only(const Grpc__Storage *s)
{
	for (size_t i = 0; i < s->n_options; i++)
		if (strcmp(s->options[i], "ro") == 0)
			return true;
	return false;
}

/* Returns 1 when a walker was started, 0 when there is nothing to do, or -errno. */
static int give_to_group(struct storage_job *job, struct err *e)
{
	const Grpc__Storage *s = current(job);
	struct storages *all = job->storages;

	if (!s->fs_group || is_read_only(s))
		return 0;

	auto_close int fd =
		place_make(all->run_fd, all->config.run_dir, s->mount_point, PLACE_FILE, e);

	if (fd < 0)
		return fd;
	if (!ownership_needed(fd, s->fs_group))
		return 0;

	int r = start_walker(job, fd, e);

	return r < 0 ? r : 1;
}

static int load_modules(struct storage_job *job, struct err *e)
{
	const struct storage_driver *d = job->driver;

	for (size_t i = 0; i < ARRAY_LEN(d->modules) && d->modules[i]; i++) {
		int r = module_load_if_any(job->storages->config.devices, d->modules[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Returns 1 when the rest of the job goes on later, 0, or -errno. */
static int mount_one(struct storage_job *job, const char *source, struct err *e)
{
	struct storages *s = job->storages;
	struct storage_task task = {
		.config = &s->config,
		.run_fd = s->run_fd,
		.storage = current(job),
		.owner = job->order.owner,
		.source = source,
	};
	struct mounted *m = storages_find(s, current(job)->mount_point);

	if (m)
		return storage_hold_add(holder(job), m, e);
	m = storages_enter(holder(job), job->driver, current(job)->mount_point, e);
	if (!m)
		return -ENOMEM;

	int r = job->driver->mount(&task, e);

	if (r < 0) {
		storages_leave(holder(job), m);
		place_remove(s->run_fd, s->config.run_dir, current(job)->mount_point);
		return r;
	}
	return give_to_group(job, e);
}

static void on_device(struct device_wait *w, int r, const char *path, const struct err *cause)
{
	struct storage_job *job = container_of(w, struct storage_job, device);
	struct err e = *cause;

	if (r == 0)
		r = mount_one(job, path, &e);
	if (r < 0) {
		(void) err_wrap(&e, r, "mount storage '%s'", current(job)->mount_point);
		finish(job, r, &e);
	} else if (r == 0) {
		job->at++;
		go_on(job);
	}
}

/* A share that comes while the guest runs: its driver is ready an instant before it can be mounted,
 * and what mount(2) says until then is that there is no such share. */
static int mount_share(struct device_wait *w, char path[DEVICE_PATH_MAX], struct err *e)
{
	struct storage_job *job = container_of(w, struct storage_job, device);
	int r = device_find(job->storages->config.devices, w->kind, w->key, path, e);

	if (r < 0)
		return r;
	r = mount_one(job, current(job)->source, e);
	return r == -EINVAL || r == -ENOENT ? -ENODEV : r;
}

static void on_share(struct device_wait *w, int r, const char *path, const struct err *cause)
{
	struct storage_job *job = container_of(w, struct storage_job, device);
	struct err e = *cause;

	(void) path;
	if (r < 0) {
		(void) err_wrap(&e, r, "mount storage '%s'", current(job)->mount_point);
		finish(job, r, &e);
	} else if (!job->walker) {
		job->at++;
		go_on(job);
	}
}

/* The PCI path of a share that was plugged in, or NULL. */
static const char *plugged_at(const struct storage_job *job)
{
	const Grpc__Storage *s = current(job);

	for (size_t i = 0; job->driver->is_share && i < s->n_driver_options; i++)
		if (strncmp(s->driver_options[i], "pci=", 4) == 0)
			return s->driver_options[i] + 4;
	return NULL;
}

static int wait_for_device(struct storage_job *job)
{
	device_wait(job->storages->config.devices, &job->device,
		    clock_deadline(job->storages->config.device_timeout_ms));
	return 1;
}

/* Returns as mount_one() does. */
static int begin_one(struct storage_job *job, struct err *e)
{
	const Grpc__Storage *s = current(job);
	struct storages *all = job->storages;

	job->driver = driver_find(s->driver, e);
	if (!job->driver)
		return e->code ? -e->code : -EINVAL;

	struct mounted *m = storages_find(all, s->mount_point);

	if (m)
		return storage_hold_add(holder(job), m, e);

	int r = load_modules(job, e);

	if (r < 0)
		return r;

	const char *plug = plugged_at(job);

	if (plug) {
		job->device = (struct device_wait){
			.kind = DEVICE_VIRTIO,
			.key = plug,
			.find = mount_share,
			.finish = on_share,
		};
		return wait_for_device(job);
	}
	if (!job->driver->is_disk)
		return mount_one(job, s->source, e);
	job->device = (struct device_wait){
		.kind = s->source[0] == '/' ? DEVICE_NODE : job->driver->by,
		.key = s->source,
		.finish = on_device,
	};
	return wait_for_device(job);
}

static void go_on(struct storage_job *job)
{
	while (job->at < job->order.n) {
		struct err e = {0};
		int r = begin_one(job, &e);

		if (r > 0)
			return;
		if (r < 0) {
			(void) err_wrap(&e, r, "mount storage '%s'", current(job)->mount_point);
			finish(job, r, &e);
			return;
		}
		job->at++;
	}
	finish(job, 0, NULL);
}

void storages_acquire(struct storages *s, const struct storage_order *order, storage_done_fn done,
		      void *arg, struct storage_job **ret_job)
{
	struct storage_job *job = calloc(1, sizeof *job);
	struct err e = {0};

	*ret_job = job;
	if (!job) {
		done(arg, err_sys(&e, ENOMEM, "mount storages"), &e);
		return;
	}
	job->storages = s;
	job->order = *order;
	job->done = done;
	job->arg = arg;
	job->walker_says = -1;
	list_init(&job->device.link);
	job->slot = ret_job;
	list_add(&s->jobs, &job->link);
	go_on(job);
}

void storage_job_cancel(struct storage_job *job)
{
	if (!job)
		return;
	device_wait_cancel(&job->device);
	if (job->walker) {
		reaper_forget(job->storages->config.reaper, job->walker);
		(void) kill(job->walker, SIGKILL);
	}
	fd_close(job->walker_says);
	list_remove(&job->link);
	free(job);
}
