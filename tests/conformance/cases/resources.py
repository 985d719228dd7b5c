"""Control group limits, as the container sees and feels them."""

from __future__ import annotations

from typing import Any

from harness.bundle import namespaces
from harness.case import Case, Expect, probe, sh

MIB = 1 << 20


def resources(**values: Any) -> dict[str, Any]:
    return {f"linux.resources.{name}": value for name, value in values.items()}


def unified(**files: str) -> dict[str, Any]:
    """Files of version 2; a dot in their name is written `__`."""
    return resources(unified={name.replace("__", "."): text for name, text in files.items()})


EAT_64_MIB = "head -c 67108864 /dev/zero | tail -c 67108864 | wc -c"

MEMORY = [
    Case("memory/usual", probe("memory", "swap")),
    Case("memory/limit", probe("memory"), resources(memory={"limit": 64 * MIB})),
    Case("memory/endless", probe("memory"), resources(memory={"limit": -1})),
    Case("memory/reservation", probe("memory"),
         resources(memory={"limit": 64 * MIB, "reservation": 32 * MIB})),
    Case("memory/swap", probe("memory", "swap"),
         resources(memory={"limit": 64 * MIB, "swap": 96 * MIB})),
    Case("memory/swap_none", probe("memory", "swap"),
         resources(memory={"limit": 64 * MIB, "swap": 64 * MIB})),
    # Ignored by both: what version 2 has is always a hierarchy.
    Case("memory/no_hierarchy", probe("memory"),
         resources(memory={"limit": 64 * MIB, "useHierarchy": False})),
    Case("memory/swap_below_limit", edit=resources(
        memory={"limit": 64 * MIB, "swap": 32 * MIB}), refused=True),
    Case("memory/enforced", sh(f"{EAT_64_MIB}; echo survived"), resources(
        memory={"limit": 16 * MIB, "swap": 16 * MIB})),
    Case("memory/killed_init_is_137", ["/usr/bin/tail", "-c", str(64 * MIB), "/dev/zero"],
         {**resources(memory={"limit": 16 * MIB, "swap": 16 * MIB}), "process.args": [
             "/bin/tail", "-c", str(64 * MIB), "/dev/zero"]}),
    Case("memory/check_before_update", probe("memory"),
         resources(memory={"limit": 64 * MIB, "checkBeforeUpdate": True})),
    # Only version 1 has these, and the guest has version 2.
    *(Case(f"memory/{field}", edit=resources(memory={"limit": 64 * MIB, field: value}),
           refused=True, expect=Expect(exit=1))
      for field, value in (("swappiness", 10), ("kernel", 32 * MIB), ("kernelTCP", 32 * MIB),
                           ("disableOOMKiller", True))),
]

CPU = [
    Case("cpu/usual", probe("cpu")),
    Case("cpu/shares", probe("cpu"), resources(cpu={"shares": 2048})),
    Case("cpu/shares_least", probe("cpu"), resources(cpu={"shares": 2})),
    Case("cpu/quota_and_period", probe("cpu"), resources(cpu={"quota": 25000, "period": 50000})),
    Case("cpu/quota_only", probe("cpu"), resources(cpu={"quota": 50000})),
    Case("cpu/quota_endless", probe("cpu"), resources(cpu={"quota": -1, "period": 50000})),
    Case("cpu/realtime", edit=resources(cpu={"realtimeRuntime": 1000, "realtimePeriod": 100000}),
         refused=True, expect=Expect(exit=1)),
    Case("cpu/period_bad", edit=resources(cpu={"quota": 50000, "period": 1}), refused=True),
    Case("cpuset/first", probe("cpuset"), resources(cpu={"cpus": "0", "mems": "0"})),
    Case("cpuset/no_such_cpu", edit=resources(cpu={"cpus": "4000"}), refused=True),
    Case("cpuset/nonsense", edit=resources(cpu={"cpus": "one"}), refused=True),
    Case("cpu/idle", probe("group:cpu.idle"), resources(cpu={"idle": 1}), reference=False,
         expect=Expect("cpu.idle: 1\n")),
    Case("cpu/burst", probe("group:cpu.max,cpu.max.burst"),
         resources(cpu={"quota": 50000, "period": 100000, "burst": 20000}), reference=False,
         expect=Expect("cpu.max: 50000 100000\ncpu.max.burst: 20000\n")),
]

OTHERS = [
    Case("pids/usual", sh("(sleep 0.1; true) & wait; echo ok")),
    Case("pids/limit", probe("pids"), resources(pids={"limit": 50})),
    Case("pids/endless", probe("pids"), resources(pids={"limit": -1})),
    Case("pids/enforced", sh("for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo all"),
         resources(pids={"limit": 5})),
    Case("io/weight", probe("group:io.weight"), resources(blockIO={"weight": 200}),
         reference=False, expect=Expect("io.weight: default 1920\n")),
    Case("io/throttle_of_no_device", edit=resources(blockIO={
        "throttleReadBpsDevice": [{"major": 4000, "minor": 1, "rate": MIB}]}), refused=True),
    Case("hugetlb/limit", probe("group:hugetlb.2MB.max"), resources(
        hugepageLimits=[{"pageSize": "2MB", "limit": 4 * MIB}]), reference=False,
         expect=Expect(f"hugetlb.2MB.max: {4 * MIB}\n")),
    Case("hugetlb/no_such_page_size", edit=resources(
        hugepageLimits=[{"pageSize": "3MB", "limit": MIB}]), refused=True),
    Case("unified/known", probe("group:memory.max,memory.high,pids.max,cpu.weight"),
         unified(memory__max=str(64 * MIB), memory__high=str(32 * MIB), pids__max="30",
                 cpu__weight="50"), reference=False,
         expect=Expect(f"memory.max: {64 * MIB}\nmemory.high: {32 * MIB}\npids.max: 30\n"
                       "cpu.weight: 50\n")),
    Case("unified/unknown_file", edit=unified(memory__nosuch="1"), refused=True),
    Case("unified/no_such_controller", edit=unified(nosuch__max="1"), refused=True),
    Case("unified/path_in_the_name", edit=resources(unified={"../x": "1"}), refused=True),
    Case("rdma/limit_without_hardware", edit=resources(
        rdma={"mlx5_1": {"hcaHandles": 3}}), reference=False, refused=True,
         expect=Expect(exit=1)),
    Case("network/priorities", edit=resources(
        network={"priorities": [{"name": "lo", "priority": 5}]}), refused=True),
    Case("intel_rdt/without_hardware", edit={"linux.intelRdt": {"closID": "none"}},
         refused=True, expect=Expect(exit=1)),
    Case("cgroups_path/absolute", probe("memory", "grouppath"),
         {"linux.cgroupsPath": "/{id}-group", **resources(memory={"limit": 64 * MIB})}),
    Case("cgroups_path/relative", probe("memory"),
         {"linux.cgroupsPath": "{id}-group", **resources(memory={"limit": 64 * MIB})}),
    Case("cgroups_path/dots_stay_inside", probe("memory"),
         {"linux.cgroupsPath": "/../../{id}-group",
          **resources(memory={"limit": 64 * MIB})}),
    Case("cgroups_path/seen_without_namespace",
         sh("sed 's/.*://' /proc/self/cgroup | grep -o '[^/]*-group' | sort -u"),
         {"linux.cgroupsPath": "/{id}-group",
          "linux.namespaces": namespaces(drop=["cgroup"])},
         expect=Expect(stdout="")),
    Case("cgroups_path/limit_seen_without_namespace",
         sh("cd /sys/fs/cgroup; cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes"),
         {**resources(memory={"limit": 64 * MIB}),
          "linux.namespaces": namespaces(drop=["cgroup"])}),
]

CASES = [*MEMORY, *CPU, *OTHERS]
