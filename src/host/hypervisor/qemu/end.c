#include "host/hypervisor/ending.h"
#include "host/hypervisor/qemu/machine.h"

void qemu_drain(struct qemu *q)
{
	subprocess_drain(&q->process);
	if (q->console_fd >= 0)
		(void) tail_pump(&q->console, q->console_fd, NULL, NULL);
	if (q->qmp)
		(void) qmp_process(q->qmp, NULL);
}

bool qemu_ended(struct hv *hv, struct err *why)
{
	struct qemu *q = qemu_of(hv);
	char shutdown[sizeof q->shutdown];
	int status;

	if (!subprocess_ended(&q->process, &status))
		return false;
	qemu_drain(q);
	pthread_mutex_lock(&q->lock);
	memcpy(shutdown, q->shutdown, sizeof shutdown);
	pthread_mutex_unlock(&q->lock);
	ending_explain(status, shutdown, &q->console, &q->process.messages, why);
	return true;
}

int qemu_stop(struct hv *hv, msec_t deadline, struct err *e)
{
	return subprocess_stop(&qemu_of(hv)->process, deadline, e);
}
