"""What is measured in each round, and how often."""
from __future__ import annotations

from collections.abc import Callable

from debian_kernel import debian_boot, debian_true
from gvisor import gvisor_true
from idle import idle_exits, idle_memory, idle_template_memory, kernel_memory, memory_back
from measures import Bench, bare_boot, exec_true, host_cpu, memory, run_true, sizes, streams, template_true, terminal_lines
from docker_network import docker_network
from network import network
from pod import pod_memory
from pods import ctr_run, pods

# A round. What is held against a peer, or takes milliseconds, is taken several times, in turn with its peer: one value a
# round is too few where a machine's speed changes by half from one boot to the next.
MEASURES: list[Callable[[Bench], None]] = [
    *[bare_boot, debian_boot, run_true, debian_true, template_true, gvisor_true] * 3,
    host_cpu,
    *[exec_true] * 5,
    *[ctr_run] * 2,
    pods, network, docker_network, streams, terminal_lines, memory, pod_memory, idle_memory, idle_template_memory,
    kernel_memory, memory_back, idle_exits, sizes,
]
