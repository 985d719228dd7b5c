"""The `process` object: user, capabilities, limits, environment, arguments, directory."""

from __future__ import annotations

from typing import Any

from harness.bundle import CAPABILITIES, DROP, directory, file, link, script
from harness.case import Case, Expect, probe, sh

SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")
ENDLESS = (1 << 64) - 1
ALL_HOST_HAS = sorted({*CAPABILITIES, "CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE",
                       "CAP_SYS_NICE", "CAP_BPF", "CAP_PERFMON", "CAP_CHECKPOINT_RESTORE",
                       "CAP_DAC_READ_SEARCH", "CAP_IPC_LOCK", "CAP_SYS_TIME", "CAP_SYSLOG"})


def caps(**sets: list[str]) -> dict[str, Any]:
    return {"process.capabilities": sets}


def user(uid: int, gid: int, **more: Any) -> dict[str, Any]:
    return {"process.user": {"uid": uid, "gid": gid, **more}}


def rlimits(*limits: tuple[str, int, int]) -> dict[str, Any]:
    return {"process.rlimits": [{"type": f"RLIMIT_{name}", "soft": soft, "hard": hard}
                                for name, soft, hard in limits]}


USER = [
    Case("user/root", probe("id")),
    Case("user/uid_and_gid", probe("id", "caps"), user(1000, 1000)),
    Case("user/unknown_to_passwd", probe("id", "env"), user(4711, 4712)),
    Case("user/uid_differs_from_gid", probe("id", "make:/,/tmp"), user(1000, 5)),
    Case("user/additional_gids", probe("id"), user(0, 0, additionalGids=[2000, 5, 10, 65534])),
    Case("user/additional_gids_of_a_user", probe("id"), user(1000, 1000, additionalGids=[2000])),
    Case("user/group_gives_access", sh("cat /etc/secret"), user(1000, 1000, additionalGids=[0]),
         {"rootfs/etc/secret": file("for the group\n", 0o640)}),
    Case("user/no_group_no_access", sh("cat /etc/secret"), user(1000, 1000),
         {"rootfs/etc/secret": file("for the group\n", 0o640)}),
    Case("user/umask", sh("umask; touch /tmp/x; mkdir /tmp/y; /probe stat:/tmp/x,/tmp/y"),
         user(0, 0, umask=0o027)),
    Case("user/umask_0", sh("umask; touch /tmp/x; /probe stat:/tmp/x"), user(0, 0, umask=0)),
    Case("user/large_ids", probe("id"), user(2000000000, 2000000001)),
]

CAPS = [
    Case("caps/usual", probe("caps")),
    Case("caps/absent", probe("caps"), {"process.capabilities": DROP}),
    Case("caps/none", probe("caps"), caps(**{name: [] for name in SETS})),
    Case("caps/bounding_only", probe("caps"), caps(bounding=["CAP_CHOWN"])),
    Case("caps/inheritable", probe("caps"), caps(**{n: ["CAP_KILL"] for n in SETS[:4]})),
    Case("caps/ambient_of_a_user", probe("caps", "try:sethostname"),
         {**caps(**{name: ["CAP_SYS_ADMIN"] for name in SETS}), **user(1000, 1000)}),
    Case("caps/permitted_not_effective", probe("caps"),
         caps(bounding=CAPABILITIES, permitted=CAPABILITIES)),
    Case("caps/many", probe("caps"), caps(**{name: ALL_HOST_HAS for name in SETS})),
    Case("caps/chown_missing", sh("chown 1 /etc/passwd; echo $?"), caps(
        **{name: ["CAP_FOWNER"] for name in SETS})),
    Case("caps/sys_admin_can_mount", probe("try:mount,sethostname"),
         caps(**{name: ["CAP_SYS_ADMIN"] for name in SETS[:2] + SETS[3:4]})),
    Case("caps/usual_cannot_mount", probe("try:mount,sethostname,chroot,mknod,setuid")),
    Case("caps/unknown", probe("caps"), caps(bounding=["CAP_CHOWN", "CAP_NO_SUCH_THING"]),
         refused=True, expect=Expect(exit=1)),
    Case("caps/of_the_guest_only", probe("caps"),
         caps(**{name: ["CAP_SYS_RESOURCE"] for name in SETS}), reference=False,
         expect=Expect("".join(f"Cap{name}:\t0000000001000000\n" for name in
                               ("Inh", "Prm", "Eff", "Bnd", "Amb"))
                       + "NoNewPrivs:\t1\nSeccomp:\t0\n")),
    Case("no_new_privs/true", probe("caps"), {"process.noNewPrivileges": True}),
    Case("no_new_privs/false", probe("caps"), {"process.noNewPrivileges": False}),
    Case("no_new_privs/absent", probe("caps"), {"process.noNewPrivileges": DROP}),
    Case("no_new_privs/set_user_id_is_void", sh("/suid id"), user(1000, 1000),
         {"rootfs/suid": lambda path: _set_user_id(path)}),
    Case("no_new_privs/set_user_id_works_without", sh("/suid id"),
         {**user(1000, 1000), "process.noNewPrivileges": False},
         {"rootfs/suid": lambda path: _set_user_id(path)}),
]


def _set_user_id(path: Any) -> None:
    path.write_bytes((path.parent / "probe").read_bytes())
    path.chmod(0o4755)


RLIMITS = [
    Case("rlimits/usual", probe("rlimits:NOFILE")),
    Case("rlimits/soft_below_hard", probe("rlimits:NOFILE"), rlimits(("NOFILE", 100, 200))),
    Case("rlimits/many", probe("rlimits:CPU,FSIZE,STACK,CORE,NPROC,MEMLOCK,SIGPENDING,MSGQUEUE"),
         rlimits(("CPU", 1000, 2000), ("FSIZE", 1 << 30, 1 << 31), ("STACK", 1 << 20, 8 << 20),
                 ("CORE", 0, 0), ("NPROC", 500, 600), ("MEMLOCK", 65536, 65536),
                 ("SIGPENDING", 100, 100), ("MSGQUEUE", 1000, 2000))),
    Case("rlimits/endless", probe("rlimits:FSIZE,CORE,AS"),
         rlimits(("FSIZE", ENDLESS, ENDLESS), ("CORE", 0, ENDLESS), ("AS", 1 << 40, ENDLESS))),
    Case("rlimits/enforced", sh("head -c 5000 /dev/zero > /tmp/x; echo $?; wc -c < /tmp/x"),
         rlimits(("FSIZE", 4096, 4096))),
    Case("rlimits/absent", ["/bin/true"], {"process.rlimits": DROP}),
    Case("rlimits/soft_above_hard", edit=rlimits(("NOFILE", 200, 100)), refused=True),
    *[Case(f"rlimits/few_descriptors/{n}", ["echo", "ran"], rlimits(("NOFILE", n, n)))
      for n in (8, 12)],
    Case("rlimits/unknown", edit=rlimits(("NOSUCH", 1, 1)), refused=True),
    Case("rlimits/above_the_host", probe("rlimits:NOFILE"), rlimits(("NOFILE", 999999, 1000000)),
         reference=False, expect=Expect("NOFILE: 999999 1000000\n")),
    Case("oom_score_adj/raised", probe("oom"), {"process.oomScoreAdj": 500}),
    Case("oom_score_adj/absent", probe("oom")),
    Case("oom_score_adj/lowered", probe("oom"), {"process.oomScoreAdj": -500}, reference=False,
         expect=Expect("oom_score_adj: -500\n")),
    Case("oom_score_adj/out_of_range", edit={"process.oomScoreAdj": 5000}, refused=True),
]

ENVIRONMENT = [
    Case("env/usual", probe("env")),
    Case("env/empty", probe("env"), {"process.env": []}),
    Case("env/absent", probe("env"), {"process.env": DROP}),
    Case("env/order_and_values", probe("env"), {"process.env": [
        "Z=1", "A=2", "PATH=/bin", "EMPTY=", "EQUALS=a=b=c", "SPACE= a b ", "NEWLINE=a\nb",
        "UTF=äöü€", "HOME=/elsewhere"]}),
    Case("env/twice", probe("env"), {"process.env": ["PATH=/bin", "A=1", "HOME=/", "A=2"]}),
    Case("env/many", sh("env | wc -l; env | md5sum"),
         {"process.env": ["PATH=/bin", "HOME=/", *(f"V{i}={'x' * i}" for i in range(500))]}),
    Case("env/home_of_a_user", probe("env"), {**user(1000, 1000)}),
    Case("args/found_in_path", ["true"]),
    Case("args/found_in_second_path", ["tool"], {"process.env": ["PATH=/usr/bin:/opt:/bin"]},
         {"rootfs/opt/tool": script("echo tool")}),
    Case("args/not_in_path", ["tool"], {}, {"rootfs/opt/tool": script("echo tool")}, refused=True),
    *[Case(f"args/not_below_the_cwd_by_path/{name}", ["tool"],
           {"process.cwd": "/opt", "process.env": ["PATH=" + path]},
           {"rootfs/opt/tool": script("echo tool"), "rootfs/opt/sub/tool": script("echo tool")},
           refused=True)
      for name, path in [("empty_first", ":/bin"), ("empty_last", "/bin:"), ("dot", ".:/bin"),
                         ("folder", "sub:/bin")]],
    Case("args/relative_to_cwd", ["./tool"], {"process.cwd": "/opt"},
         {"rootfs/opt/tool": script("echo tool $0")}),
    Case("args/empty_and_strange", sh('for a; do echo "[$a]"; done') + [
        "zero", "", " ", "a b", "\n", "*", "$HOME", "äö€", "'", '"', "\\"]),
    Case("args/long", ["/bin/sh", "-c", 'echo ${#1} ${#2}', "sh", "x" * 100000, "y" * 20000]),
    Case("args/script", ["/tool", "a", "b"], {}, {"rootfs/tool": script('echo "$0 $*"')}),
    Case("args/through_link", ["/tool"], {},
         {"rootfs/tool": link("/opt/real"), "rootfs/opt/real": script("echo $0")}),
    Case("args/missing", ["/no/such/file"], refused=True),
    Case("args/not_executable", ["/etc/passwd"], refused=True),
    Case("args/directory", ["/etc"], refused=True),
    Case("args/no_interpreter", ["/tool"], {},
         {"rootfs/tool": file("#!/no/such/shell\n", 0o755)}, refused=True),
    Case("args/not_a_program", ["/tool"], {}, {"rootfs/tool": file("\x7fELFnot", 0o755)},
         refused=True),
    Case("args/not_permitted_to_the_user", ["/tool"], {**user(1000, 1000), **caps(bounding=[])},
         {"rootfs/tool": file("#!/bin/sh\n", 0o700)}, refused=True),
    Case("args/empty_list", edit={"process.args": []}, refused=True),
    Case("args/absent", edit={"process.args": DROP}, refused=True),
    Case("args/empty_name", [""], refused=True),
]

DIRECTORY = [
    Case("cwd/tmp", sh("pwd; ls"), {"process.cwd": "/etc"}),
    Case("cwd/created", sh("pwd; /probe stat:/new/deep,/new"), {"process.cwd": "/new/deep"}),
    Case("cwd/created_for_a_user", sh("pwd; /probe stat:/new id make:/new"),
         {"process.cwd": "/new", **user(1000, 1000)}),
    Case("cwd/through_link", sh("pwd; /bin/pwd"), {"process.cwd": "/way"},
         {"rootfs/way": link("/home/x"), "rootfs/home/x": directory()}),
    Case("cwd/link_stays_inside", sh("/bin/pwd"), {"process.cwd": "/way"},
         {"rootfs/way": link("../../../../../../etc")}),
    Case("cwd/dots_stay_inside", sh("/bin/pwd"), {"process.cwd": "/../../etc"}),
    Case("cwd/not_permitted_to_the_user", sh("/bin/pwd"),
         {"process.cwd": "/closed", **user(1000, 1000)}, {"rootfs/closed": directory(0o700)}),
    Case("cwd/file", sh("pwd"), {"process.cwd": "/etc/passwd"}, refused=True),
    Case("cwd/relative", sh("pwd"), {"process.cwd": "etc"}, refused=True),
    Case("cwd/empty", sh("pwd"), {"process.cwd": ""}, refused=True),
]

SCHEDULING = [
    Case("process/session", probe("session")),
    Case("process/signals", probe("signals")),
    Case("process/scheduling_usual", probe("sched", "personality")),
    Case("process/scheduler_batch", probe("sched"),
         {"process.scheduler": {"policy": "SCHED_BATCH", "nice": 5}}, reference=False,
         expect=Expect("policy: 3\npriority: 0\nnice: 5\nio class: 0\nio priority: 0\n")),
    Case("process/scheduler_fifo", probe("sched"),
         {"process.scheduler": {"policy": "SCHED_FIFO", "priority": 7}}, reference=False,
         expect=Expect("policy: 1\npriority: 7\nnice: 0\nio class: 0\nio priority: 0\n")),
    Case("process/scheduler_unknown", probe("sched"),
         {"process.scheduler": {"policy": "SCHED_NOSUCH"}}, reference=False, refused=True,
         expect=Expect(exit=1)),
    Case("process/io_priority", probe("sched"),
         {"process.ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6}}, reference=False,
         expect=Expect("policy: 0\npriority: 0\nnice: 0\nio class: 2\nio priority: 6\n")),
    Case("process/io_priority_unknown", probe("sched"),
         {"process.ioPriority": {"class": "IOPRIO_CLASS_NOSUCH", "priority": 6}},
         reference=False, refused=True, expect=Expect(exit=1)),
    Case("process/personality_32", sh("uname -m; /probe personality"),
         {"linux.personality": {"domain": "LINUX32"}}, reference=False,
         expect=Expect("i686\npersonality: 0x8\n")),
    Case("process/personality_unknown", probe("personality"),
         {"linux.personality": {"domain": "LINUX64"}}, reference=False, refused=True,
         expect=Expect(exit=1)),
    Case("process/exec_cpu_affinity", edit={"process.execCPUAffinity": {"initial": "0"}},
         reference=False, refused=True, expect=Expect(exit=1)),
    # The reference refuses labels on a host that has no such module.
    Case("process/apparmor_profile_without_apparmor", sh("echo ran"),
         {"process.apparmorProfile": "strict"}, expect=Expect("ran\n")),
    Case("process/selinux_label_without_selinux", sh("echo ran"),
         {"process.selinuxLabel": "system_u:system_r:svirt_lxc_net_t:s0:c1,c2"},
         expect=Expect("ran\n")),
]

CASES = [*USER, *CAPS, *RLIMITS, *ENVIRONMENT, *DIRECTORY, *SCHEDULING]
