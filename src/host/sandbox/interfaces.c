#include "host/sandbox/interfaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/log.h"
#include "host/egress/egress.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/interface_words.h"
#include "host/sandbox/model.h"

/* For a machine that runs: how long a guest may take to see an interface, or let go of it. */
#define REFRESH_TIMEOUT_MS 60000

/* One that the machine has, or one that the guest has by itself. */
struct interface {
	struct list link;
	char id[DEVICE_ID_MAX + 1];
	struct network_link as; /* at the last look */
	struct network_tap tap;
	struct device_address at;
	struct told told;
	bool is_attached;
	bool stays;     /* the guest did not let go of it */
	bool is_warned; /* the user knows that the guest is not told of it */
};

static struct interface *interface_of(struct list *pos)
{
	return container_of(pos, struct interface, link);
}

static void forget(struct told *t)
{
	free(t->packed);
	*t = (struct told){0};
}

static void interface_free(struct interfaces *all, struct interface *i)
{
	network_tap_close(all->network, i->as.index, &i->tap);
	list_remove(&i->link);
	forget(&i->told);
	free(i);
}

void interfaces_init(struct interfaces *all)
{
	*all = (struct interfaces){.ns_fd = -1, .watch_fd = -1};
	(void) pthread_mutex_init(&all->lock, NULL);
	list_init(&all->list);
}

static int add_resolvers(struct egress_policy *policy, const struct config_list *list,
			 struct err *e)
{
	int r = 0;

	if (list->n == 0 && egress_policy_has_names(policy))
		return err_say(e, EINVAL, "names need name servers in egress_resolvers");
	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = egress_policy_resolver(policy, list->items[i], e);
	return err_wrap(e, r, "egress_resolvers");
}

static int restrict_egress(struct interfaces *all, const struct config_runtime *config,
			   struct err *e)
{
	auto_ptr(egress_policy_free) struct egress_policy *policy = NULL;
	const struct config_list *allow = &config->egress_allow;
	int r = egress_policy_read((const char *const *) allow->items, allow->n, &policy, e);

	if (r < 0)
		return err_wrap(e, r, "egress_allow");
	if (!policy)
		return 0;
	r = add_resolvers(policy, &config->egress_resolvers, e);
	if (r == 0)
		r = network_restrict(all->network, policy, e);
	return r < 0 ? r : network_watch_egress(all->network, policy, &all->egress, e);
}

int interfaces_begin(struct interfaces *all, const char *id, int ns_fd, const struct config *config,
		     struct err *e)
{
	int r = 0;

	all->queues = config->hypervisor.network_queues > 0 ? config->hypervisor.network_queues : 1;
	all->rates.rx = (uint64_t) config->hypervisor.rx_max_rate;
	all->rates.tx = (uint64_t) config->hypervisor.tx_max_rate;
	all->is_given = ns_fd >= 0;

	if (ns_fd < 0)
		r = network_namespace_new(&all->ns_fd, e);
	else if ((all->ns_fd = fcntl(ns_fd, F_DUPFD_CLOEXEC, 0)) < 0)
		r = err_sys(e, errno, "keep the network namespace");
	if (r == 0)
		r = interfaces_begin_attached(all, id, config, e);
	if (r != 0 || config->runtime.network == CONFIG_NETWORK_NONE)
		return r < 0 ? r : 0;
	r = network_open(all->ns_fd, &all->network, e);
	if (r == 0)
		r = restrict_egress(all, &config->runtime, e);
	return r;
}

void interfaces_reclaim(struct interfaces *all)
{
	pthread_mutex_lock(&all->lock);
	while (!list_empty(&all->list))
		interface_free(all, interface_of(all->list.next));
	forget(&all->routes);
	forget(&all->neighbours);
	all->has_neighbours = false;
	pthread_mutex_unlock(&all->lock);
}

static void reclaim(void *all)
{
	interfaces_reclaim(all);
}

void interfaces_begin_end(struct interfaces *all)
{
	beside_begin(&all->ending, reclaim, all);
}

void interfaces_end(struct interfaces *all)
{
	beside_end(&all->ending);
	interfaces_reclaim(all);
	pthread_mutex_lock(&all->lock);
	network_facts_fini(&all->facts);
	free(take_ptr(all->taps));
	egress_watch_close(take_ptr(all->egress));
	network_close(take_ptr(all->network));
	pthread_mutex_unlock(&all->lock);
}

void interfaces_fini(struct interfaces *all)
{
	interfaces_end(all);
	all->ns_fd = fd_close(all->ns_fd);
	(void) pthread_mutex_destroy(&all->lock);
}

uint64_t interfaces_inode(const struct interfaces *all)
{
	struct stat st;

	return all->ns_fd >= 0 && fstat(all->ns_fd, &st) == 0 ? st.st_ino : 0;
}

int interfaces_clean(const char *path, uint64_t inode, struct err *e)
{
	/* O_NONBLOCK, because a fifo may have its name now. */
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	auto_ptr(network_close) struct network *n = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != inode || ioctl(fd, NS_GET_NSTYPE) < 0)
		return 0;

	int r = network_open(fd, &n, e);

	return r < 0 ? r : network_clean(n, e);
}

/* ---- What comes and goes; all with the lock ---- */

/* An interface is another one when its hardware address is: that is how the guest knows it. */
static bool is_link(const struct network_link *l, int index, const uint8_t mac[NETWORK_MAC_BYTES])
{
	return l->index == index && memcmp(l->mac, mac, sizeof l->mac) == 0;
}

static struct interface *find_interface(struct interfaces *all, const struct network_link *l)
{
	list_for_each (pos, &all->list) {
		struct interface *i = interface_of(pos);

		if (is_link(l, i->as.index, i->as.mac))
			return i;
	}
	return NULL;
}

static const struct network_link *find_link(const struct network_facts *f,
					    const struct interface *i)
{
	for (size_t k = 0; k < f->n_links; k++)
		if (is_link(&f->links[k], i->as.index, i->as.mac))
			return &f->links[k];
	return NULL;
}

static int attach(struct interface *i, struct hv *hv, msec_t deadline, struct err *e)
{
	struct device device = {
		.kind = DEVICE_NIC,
		.id = i->id,
		.nic = {.tap_fds = i->tap.fds, .n_queues = i->tap.n_queues},
	};

	memcpy(device.nic.mac, i->as.mac, sizeof device.nic.mac);

	int r = hv_attach(hv, &device, deadline, &i->at, e);

	if (r < 0)
		return err_wrap(e, r, "bring interface '%s' into the machine", i->as.name);
	network_tap_share(&i->tap);
	i->is_attached = true;
	return 0;
}

_Static_assert(CONFIG_NETWORK_QUEUES_MAX <= NETWORK_QUEUES_MAX &&
		       NETWORK_QUEUES_MAX <= DEVICE_NIC_QUEUES_MAX,
	       "what may be configured has a place");

/* More than there are vCPUs would not be used. */
static size_t queues_of(const struct interfaces *all, struct hv *hv)
{
	struct hv_info info = {0};

	hv_describe(hv, &info);
	return all->queues > 1 && info.max_vcpus < all->queues ? info.max_vcpus : all->queues;
}

static int open_tap(struct interfaces *all, const struct network_link *l, struct hv *hv,
		    struct network_tap *ret, struct err *e)
{
	const struct network_attached_tap *tap =
		all->taps ? &all->taps[l - all->facts.links] : NULL;
	size_t n_queues = tap && tap->n_queues > 0 ? tap->n_queues : queues_of(all, hv);

	if (tap)
		return network_tap_borrow(all->network, tap->name, n_queues, ret, e);
	return network_tap_open(all->network, l, &all->rates, n_queues, ret, e);
}

/* A VRF, which is made there, or the loopback: it has neither tap nor device. */
static bool is_guests_own(const struct network_link *l)
{
	return l->vrf_table || (l->flags & IFF_LOOPBACK);
}

static int plug(struct interfaces *all, struct interface *i, const struct network_link *l,
		struct hv *hv, msec_t deadline, struct err *e)
{
	int r = is_guests_own(l) ? 0 : open_tap(all, l, hv, &i->tap, e);

	return r < 0 || is_guests_own(l) ? r : attach(i, hv, deadline, e);
}

static int add_interface(struct interfaces *all, const struct network_link *l, struct hv *hv,
			 msec_t deadline, struct err *e)
{
	struct interface *i = calloc(1, sizeof *i);

	if (!i)
		return err_sys(e, ENOMEM, "bring interface '%s' into the machine", l->name);
	list_init(&i->link);
	i->as = *l;
	(void) snprintf(i->id, sizeof i->id, "nic%lu", ++all->last_id);
	list_add(&all->list, &i->link);

	int r = plug(all, i, l, hv, deadline, e);

	if (r < 0)
		interface_free(all, i);
	return r;
}

static void remove_interface(struct interfaces *all, struct interface *i, struct hv *hv,
			     msec_t deadline)
{
	struct err e = {0};

	if (i->is_attached && hv_detach(hv, i->id, deadline, &e) < 0) {
		(void) err_wrap(&e, 0, "take interface '%s' away", i->as.name);
		log_err(LOG_WARN, &e, "ignoring: the machine keeps it");
		i->stays = true;
		return;
	}
	interface_free(all, i);
}

/* Before what came, because one that was made anew has the name of the one that went. */
static void remove_gone(struct interfaces *all, struct hv *hv, msec_t deadline)
{
	struct list *next;

	for (struct list *pos = all->list.next; pos != &all->list; pos = next) {
		struct interface *i = interface_of(pos);
		const struct network_link *now = find_link(&all->facts, i);

		next = pos->next;
		if (now)
			i->as = *now;
		else if (!i->stays && hv_state(hv) == HV_RUNNING)
			remove_interface(all, i, hv, deadline);
	}
}

/* Once for each interface and reason, not at every look. */
static void warn_of_link(const struct network_facts *before, const struct network_link *l,
			 const char *why)
{
	const char *then = NULL;

	for (size_t i = 0; i < before->n_links; i++) {
		const struct network_link *b = &before->links[i];

		if (b->index == l->index && !network_wants(before, b, &then) && then &&
		    strcmp(then, why) == 0)
			return;
	}
	log_warn("ignoring interface '%s' of the network namespace: %s", l->name, why);
}

static bool is_known(const struct interfaces *all, const struct network_link *l)
{
	for (size_t i = 0; i < all->n_known; i++)
		if (is_link(l, all->known[i].index, all->known[i].mac))
			return true;
	return false;
}

static void remember_failed(struct interfaces *all, const struct network_link *l)
{
	struct interface_key *key;

	if (all->n_known == ARRAY_LEN(all->known))
		return;
	key = &all->known[all->n_known++];
	key->index = l->index;
	memcpy(key->mac, l->mac, sizeof key->mac);
}

/* A look into the namespace. */
struct look {
	struct network_facts before; /* of the look before this one */
	struct hv *hv;
	msec_t deadline;
	bool by_watch;
};

/* One that fails does not keep the others away: the first failure is returned. */
static int add_new(struct interfaces *all, const struct look *look, struct err *e)
{
	const struct network_facts *f = &all->facts;
	int first = 0;

	for (size_t k = 0; k < f->n_links; k++) {
		const struct network_link *l = &f->links[k];
		struct err cause = {0};
		const char *why;
		int r = 0;

		if (find_interface(all, l))
			continue;
		if (network_wants(f, l, &why))
			r = add_interface(all, l, look->hv, look->deadline, &cause);
		else if (why)
			warn_of_link(&look->before, l, why);
		if (r == 0 || r == -ENODEV) /* ENODEV: it has gone since the look */
			continue;
		if (look->by_watch)
			remember_failed(all, l);
		if (first < 0 || (!look->by_watch && all->has_begun && is_known(all, l)))
			continue;
		first = r;
		if (e)
			*e = cause;
	}
	return first;
}

static int look_again(struct interfaces *all, struct look *look, struct err *e)
{
	struct network_facts now;
	int r = network_scan(all->network, &now, e);

	if (r < 0)
		return r;
	look->before = all->facts;
	all->facts = now;
	if (look->by_watch)
		all->n_known = 0;
	remove_gone(all, look->hv, look->deadline);
	r = add_new(all, look, e);
	network_facts_fini(&look->before);
	return r;
}

/* Those that a file describes. */
static int attach_all(struct interfaces *all, struct hv *hv, msec_t deadline, struct err *e)
{
	int r = 0;

	for (size_t k = 0; r == 0 && k < all->facts.n_links; k++)
		r = add_interface(all, &all->facts.links[k], hv, deadline, e);
	return r;
}

static int update(struct interfaces *all, struct look *look, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&all->lock);
	if (all->taps)
		r = list_empty(&all->list) ? attach_all(all, look->hv, look->deadline, e) : 0;
	else if (all->network)
		r = look_again(all, look, e);
	pthread_mutex_unlock(&all->lock);
	return r;
}

int interfaces_update(struct interfaces *all, struct hv *hv, msec_t deadline, struct err *e)
{
	struct look look = {.hv = hv, .deadline = deadline};

	return update(all, &look, e);
}

void interfaces_begun(struct interfaces *all)
{
	pthread_mutex_lock(&all->lock);
	all->has_begun = true;
	pthread_mutex_unlock(&all->lock);
}

/* ---- What the agent is told; all with the lock ---- */

struct teller {
	struct sandbox *sb;
	struct worker *worker;
	msec_t deadline;
};

/* Asks unless the agent was asked the same before. Returns 1 if it was asked, 0, or -errno. */
static int tell(const struct teller *t, const char *method, ProtobufCMessage *swallow_message,
		struct told *told, struct err *e)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = swallow_message;
	size_t bytes = m ? protobuf_c_message_get_packed_size(m) : 0;
	auto_free uint8_t *packed = m ? malloc(bytes + 1) : NULL;

	if (!packed)
		return err_sys(e, ENOMEM, "describe the network to the agent");
	(void) protobuf_c_message_pack(m, packed);
	if (told->bytes == bytes && (bytes == 0 || memcmp(told->packed, packed, bytes) == 0))
		return 0;

	int r = guest_ask(t->sb, t->worker, method, m, t->deadline, NULL, e);

	if (r < 0)
		return r;
	free(told->packed);
	*told = (struct told){.packed = take_ptr(packed), .bytes = bytes};
	return 1;
}

/* A file of the host has upstream's words only, and leaves the rest to the agent. */
static bool is_whole(const struct teller *t, const struct interfaces *all)
{
	return t->sb->agent.knows_networks && !all->taps;
}

/* Returns as tell(). */
static int tell_interface(const struct teller *t, const struct interfaces *all, struct interface *i,
			  struct err *e)
{
	const char *path = i->at.kind == DEVICE_AT_PCI ? i->at.text : "";
	bool is_whole_size = is_guests_own(&i->as) || i->as.mtu < i->tap.mtu;
	uint32_t mtu = is_whole_size ? i->as.mtu : i->tap.mtu;
	Grpc__UpdateInterfaceRequest *q =
		interface_words(&all->facts, &i->as, mtu, path, is_whole(t, all));
	int r = tell(t, "UpdateInterface", q ? &q->base : NULL, &i->told, e);

	return r < 0 ? err_wrap(e, r, "set up interface '%s' in the guest", i->as.name) : r;
}

/* Most namespaces have none, and the agent is not asked. Returns as tell(). */
static int tell_neighbours(const struct teller *t, struct interfaces *all,
			   Grpc__AddARPNeighborsRequest *swallow_q, struct err *e)
{
	bool some = swallow_q && swallow_q->neighbors->n_arpneighbors > 0;

	if (swallow_q && !some && !all->has_neighbours) {
		ttrpc_message_free(&swallow_q->base);
		return 0;
	}
	/* Also if it fails, because then some may have been set. */
	all->has_neighbours = true;

	int r = tell(t, "AddARPNeighbors", swallow_q ? &swallow_q->base : NULL, &all->neighbours,
		     e);

	if (r >= 0)
		all->has_neighbours = some;
	return r;
}

static int tell_rest(const struct teller *t, struct interfaces *all,
		     const struct network_link *const *links, size_t n, struct err *e)
{
	bool whole = is_whole(t, all);
	Grpc__UpdateRoutesRequest *routes = route_words(&all->facts, links, n, whole, !all->warned);

	all->warned = true;

	int r = tell(t, "UpdateRoutes", routes ? &routes->base : NULL, &all->routes, e);

	if (r < 0)
		return err_wrap(e, r, "set up the guest's routes");

	r = tell_neighbours(t, all, neighbour_words(&all->facts, links, n, whole), e);
	return r < 0 ? err_wrap(e, r, "set up the guest's neighbours") : 0;
}

/* Whether the guest can have it. */
static bool is_for_guest(const struct teller *t, const struct interfaces *all, struct interface *i)
{
	bool needs_vrfs = i->as.vrf_table || network_vrf_of(&all->facts, &i->as);

	if ((i->as.flags & IFF_LOOPBACK) && !is_whole(t, all))
		return false;
	if (i->stays || !needs_vrfs || t->sb->agent.has_vrfs)
		return !i->stays;
	if (!i->is_warned)
		log_warn("ignoring interface '%s' of the network namespace: the guest has no VRFs",
			 i->as.name);
	i->is_warned = true;
	return false;
}

/* They leave a VRF that is made anew. */
static void forget_members(struct interfaces *all)
{
	list_for_each (pos, &all->list) {
		struct interface *i = interface_of(pos);

		if (network_vrf_of(&all->facts, &i->as))
			forget(&i->told);
	}
}

/* What the guest is to have: as many as *@ret_n of @links, which has room for @max. */
static int tell_kind(const struct teller *t, struct interfaces *all, bool vrfs,
		     const struct network_link **links, size_t max, size_t *ret_n, struct err *e)
{
	bool told = false;
	int r = 0;

	list_for_each (pos, &all->list) {
		struct interface *i = interface_of(pos);

		if (r < 0 || !i->as.vrf_table == vrfs || *ret_n == max || !is_for_guest(t, all, i))
			continue;
		links[(*ret_n)++] = &i->as;
		r = tell_interface(t, all, i, e);
		told |= r > 0;
	}
	return r < 0 ? r : told;
}

static int tell_all(const struct teller *t, struct interfaces *all, struct err *e)
{
	const struct network_link *links[NETWORK_LINKS_MAX];
	bool told = false;
	size_t n = 0;
	/* First, because its members belong to it from their first moment. */
	int r = tell_kind(t, all, true, links, ARRAY_LEN(links), &n, e);

	if (r > 0) {
		told = true;
		forget_members(all);
	}
	if (r >= 0)
		r = tell_kind(t, all, false, links, ARRAY_LEN(links), &n, e);
	told |= r > 0;
	/* With an address that is taken away, or a new name, the guest's kernel removes routes and
	 * neighbours. */
	if (told) {
		forget(&all->routes);
		forget(&all->neighbours);
	}
	if (r < 0 || (n == 0 && all->routes.bytes == 0))
		return r < 0 ? r : 0;
	return tell_rest(t, all, links, n, e);
}

int interfaces_tell(struct sandbox *sb, struct worker *w, msec_t deadline, struct err *e)
{
	struct interfaces *all = &sb->machine.interfaces;
	const struct teller t = {.sb = sb, .worker = w, .deadline = deadline};

	pthread_mutex_lock(&all->lock);

	int r = tell_all(&t, all, e);

	pthread_mutex_unlock(&all->lock);
	return r;
}

static int refresh(struct sandbox *sb, struct worker *w, bool by_watch, struct err *e)
{
	struct look look = {
		.hv = sb->machine.hv,
		.deadline = clock_deadline(REFRESH_TIMEOUT_MS),
		.by_watch = by_watch,
	};
	int r = update(&sb->machine.interfaces, &look, e);
	/* Also after a look that failed, because it has found what changed of other interfaces. */
	int told = interfaces_tell(sb, w, look.deadline, r < 0 ? NULL : e);

	return r < 0 ? r : told;
}

int interfaces_refresh(struct sandbox *sb, struct worker *w, struct err *e)
{
	return refresh(sb, w, false, e);
}

int interfaces_follow(struct sandbox *sb, struct worker *w, struct err *e)
{
	return refresh(sb, w, true, e);
}
