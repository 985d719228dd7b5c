#include "oci/oci.h"

void oci_spec_free(Grpc__Spec *spec)
{
	grpc__spec__free_unpacked(spec, NULL);
}

void oci_process_free(Grpc__Process *process)
{
	grpc__process__free_unpacked(process, NULL);
}

void oci_resources_free(Grpc__LinuxResources *resources)
{
	grpc__linux_resources__free_unpacked(resources, NULL);
}
