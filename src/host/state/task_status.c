#include "host/state/task_status.h"

#include "base/array.h"

static const Containerd__V1__Types__Status words[] = {
	[OCI_CREATING] = CONTAINERD__V1__TYPES__STATUS__UNKNOWN,
	[OCI_CREATED] = CONTAINERD__V1__TYPES__STATUS__CREATED,
	[OCI_RUNNING] = CONTAINERD__V1__TYPES__STATUS__RUNNING,
	[OCI_STOPPED] = CONTAINERD__V1__TYPES__STATUS__STOPPED,
	[OCI_PAUSED] = CONTAINERD__V1__TYPES__STATUS__PAUSED,
};
TABLE_COVERS(words, OCI_STATUS_MAX);

Containerd__V1__Types__Status task_status_of(enum oci_status status)
{
	return words[status];
}

enum oci_status task_status_read(Containerd__V1__Types__Status status)
{
	if (status == CONTAINERD__V1__TYPES__STATUS__PAUSING)
		return OCI_PAUSED;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (words[i] == status)
			return (enum oci_status) i;
	return OCI_CREATING;
}
