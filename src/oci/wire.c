/* Restores the zeros that a peer that writes proto3 does not send. */
#include "oci/oci.h"

/* oci_spec_check() decides which fields a document must have even if they are zero. */
void oci_spec_from_wire(Grpc__Spec *spec)
{
	Grpc__Linux *l = spec->linux;
	Grpc__Process *p = spec->process;

	for (size_t i = 0; l && i < l->n_devices; i++)
		l->devices[i]->has_major = l->devices[i]->has_minor = true;
	for (size_t i = 0; p && i < p->n_rlimits; i++)
		p->rlimits[i]->has_soft = p->rlimits[i]->has_hard = true;
}
