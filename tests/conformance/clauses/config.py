"""config.md but for its hooks: root, mounts, process, user, host name, annotations, extensions."""

from __future__ import annotations

from typing import Any

from harness.bundle import DROP, directory, mount
from harness.case import probe, sh
from harness.clause import Chapter, output, refused, require, works
from harness.runtime import Container

CHAPTER = Chapter("config.md")
MUST_OPTIONS = (
    "async", "atime", "defaults", "dev", "diratime", "dirsync", "exec", "iversion", "lazytime",
    "loud", "noatime", "nodev", "nodiratime", "noexec", "noiversion", "nolazytime", "norelatime",
    "nostrictatime", "nosuid", "private", "relatime", "ro", "rprivate", "rshared", "rslave",
    "runbindable", "rw", "shared", "silent", "slave", "strictatime", "suid", "sync", "unbindable")
BIND_OPTIONS = ("bind", "rbind", "private", "rprivate", "shared", "rshared", "slave", "rslave",
                "unbindable", "runbindable")


def tmpfs(destination: str, *options: str) -> dict[str, Any]:
    return mount(destination, "tmpfs", "tmpfs", *options)


def rlimit(kind: str, soft: int, hard: int) -> dict[str, Any]:
    return {"type": kind, "soft": soft, "hard": hard}


for name, value in (("number", "1.0"), ("word", "one"), ("nothing", DROP)):
    CHAPTER.refuses(f"version_is_{name}", "Specification version",
                    f"ociVersion is required and a semantic version, it cannot be {name}",
                    {"ociVersion": value})

CHAPTER.refuses("root_path_missing", "Root", "a directory must exist at root.path",
                {"root.path": "no-such-directory"})
CHAPTER.refuses("root_path_is_a_file", "Root", "root.path must be a directory",
                {"root.path": "config.json"})
CHAPTER.refuses("root_absent", "Root", "root is required", {"root": DROP})
CHAPTER.prints("root_readonly", "Root", "with readonly the root file system cannot be written",
               probe("make:/,/etc"), "make in /: EROFS\nmake in /etc: EROFS\n",
               {"root.readonly": True})
CHAPTER.prints("root_writable", "Root", "readonly is false when it is not given",
               probe("make:/,/etc"), "make in /: ok\nmake in /etc: ok\n", {"root.readonly": DROP})

CHAPTER.prints("mounts_in_order", "Mounts", "mounts are made in the order of the list",
               sh("ls /mnt; ls /home"), "deep\n",
               {"mounts+": [tmpfs("/mnt"), tmpfs("/mnt/deep"), tmpfs("/home/deep"),
                            tmpfs("/home")]})
CHAPTER.prints("mounts_relative_destination", "Mounts",
               "a relative destination is below the root", probe("mounts:/mnt"),
               "mount /mnt: tmpfs relatime,rw private\n", {"mounts+": [tmpfs("mnt")]})
CHAPTER.prints("mounts_types", "Mounts", "types the kernel has can be mounted",
               probe("mounts:/proc,/dev/shm,/dev/pts,/dev/mqueue"),
               "mount /proc: proc relatime,rw private\n"
               "mount /dev/pts: devpts noexec,nosuid,relatime,rw private "
               "gid=5,mode=620,ptmxmode=666\n"
               "mount /dev/shm: tmpfs nodev,noexec,nosuid,relatime,rw private size=65536k\n"
               "mount /dev/mqueue: mqueue nodev,noexec,nosuid,relatime,rw private\n")
for option in MUST_OPTIONS:
    if option in ("defaults", "iversion"):
        CHAPTER.prints(f"option_{option}", "Linux mount options", f"{option} is accepted",
                       sh("echo ran"), "ran\n", {"mounts+": [tmpfs("/mnt", option)]})
CHAPTER.prints("options_accepted", "Linux mount options",
               "every other option marked MUST is accepted for a file system", sh("echo ran"),
               "ran\n", {"mounts+": [tmpfs(f"/mnt/{option}", option) for option in MUST_OPTIONS
                                     if option not in ("defaults", "iversion")]})
CHAPTER.prints("options_of_binds_accepted", "Linux mount options",
               "bind, rbind and all propagations are accepted for bind mounts", sh("echo ran"),
               "ran\n", {"mounts+": [mount(f"/mnt/{option}", "none", "{bundle}/data", "rbind",
                                           option) for option in BIND_OPTIONS]},
               {"data": directory()})
CHAPTER.prints("options_applied", "Linux mount options", "ro, nosuid, nodev, noexec, noatime apply",
               sh("awk '$5 == \"/mnt\" { print $6 }' /proc/self/mountinfo"),
               "ro,nosuid,nodev,noexec,noatime\n",
               {"mounts+": [tmpfs("/mnt"), mount("/mnt", "tmpfs", "tmpfs", "remount", "ro",
                                                 "nosuid", "nodev", "noexec", "noatime")]})
CHAPTER.prints("option_bind", "Linux mount options", "bind shows the source", sh("cat /mnt/file"),
               "content", {"mounts+": [mount("/mnt", "none", "{bundle}/data", "bind")]},
               {"data/file": "content"})
CHAPTER.refuses("id_mappings_one_sided", "Mounts",
                "uidMappings of a mount need gidMappings beside them",
                {"mounts+": [{**mount("/mnt", "none", "{bundle}/data", "bind"),
                              "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]}]},
                {"data": directory()})
CHAPTER.refuses("idmap_without_mappings", "Linux mount options",
                "idmap without any mapping is an error",
                {"mounts+": [mount("/mnt", "none", "{bundle}/data", "bind", "idmap")]},
                {"data": directory()})
CHAPTER.prints("idmap", "Mounts", "id mappings of a mount are those it has", probe("stat:/mnt"),
               "/mnt: directory 0755 1000:1000\n",
               {"mounts+": [{**mount("/mnt", "none", "{bundle}/data", "rbind"), **{
                   kind: [{"containerID": 0, "hostID": 1000, "size": 10}]
                   for kind in ("uidMappings", "gidMappings")}}]}, {"data": directory()})

CHAPTER.prints("process_args", "Process", "args is the program and its arguments",
               ["/bin/echo", "a", "", "b c"], "a  b c\n")
CHAPTER.prints("process_args_searched", "Process", "args[0] is looked up as execvp does",
               ["echo", "found"], "found\n", {"process.env": ["PATH=/nowhere:/bin"]})
CHAPTER.refuses("process_args_empty", "Process", "at least one argument is required",
                {"process.args": []})
CHAPTER.prints("process_env", "Process", "env is the environment", sh("echo $A-$B"),
               "1-two words\n", {"process.env": ["A=1", "B=two words", "PATH=/bin"]})
CHAPTER.prints("process_cwd", "Process", "cwd is the working directory", ["/bin/pwd"], "/etc\n",
               {"process.cwd": "/etc"})
CHAPTER.refuses("process_cwd_relative", "Process", "cwd must be absolute", {"process.cwd": "etc"})
CHAPTER.refuses("process_cwd_absent", "Process", "cwd is required", {"process.cwd": DROP})
CHAPTER.prints("console_size_ignored", "Process", "consoleSize is ignored without a terminal",
               sh("echo ran"), "ran\n", {"process.consoleSize": {"height": 3, "width": 4}})

CHAPTER.prints("rlimits", "POSIX process", "rlimits are soft and hard limits as given",
               probe("rlimits:NOFILE,CORE,FSIZE"),
               "NOFILE: 100 200\nCORE: 0 100\nFSIZE: 4096 8192\n",
               {"process.rlimits": [rlimit("RLIMIT_NOFILE", 100, 200),
                                    rlimit("RLIMIT_CORE", 0, 100),
                                    rlimit("RLIMIT_FSIZE", 4096, 8192)]})
CHAPTER.refuses("rlimits_unknown", "POSIX process", "a limit the kernel does not have is an error",
                {"process.rlimits": [rlimit("RLIMIT_NOSUCH", 1, 1)]})
CHAPTER.refuses("rlimits_twice", "POSIX process", "a limit given twice is an error",
                {"process.rlimits": [rlimit("RLIMIT_CORE", 0, 0), rlimit("RLIMIT_CORE", 1, 1)]})

CHAPTER.prints("capabilities", "Linux process", "the five sets are as given", probe("caps"),
               "CapInh:\t0000000000000020\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n"
               "CapBnd:\t0000000000000023\nCapAmb:\t0000000000000020\n"
               "NoNewPrivs:\t1\nSeccomp:\t0\n",
               {"process.user": {"uid": 1000, "gid": 1000}, "process.capabilities": {
                   "bounding": ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL"],
                   "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"],
                   "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]}})


@CHAPTER.must("Linux process", "a capability the kernel does not have is warned of, or an error",
              edit={"process.capabilities": {"bounding": ["CAP_CHOWN", "CAP_NO_SUCH_THING"]}})
def capabilities_unknown(c: Container) -> None:
    result = c.run()
    said = result.stderr.decode() + (c.log.read_text() if c.log.exists() else "")
    require("CAP_NO_SUCH_THING" in said, "nothing names it")


CHAPTER.prints("no_new_privileges", "Linux process", "noNewPrivileges keeps it from gaining any",
               sh("grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1\n",
               {"process.noNewPrivileges": True})
CHAPTER.prints("oom_score_adj", "Linux process", "oomScoreAdj is set as given",
               ["/bin/cat", "/proc/self/oom_score_adj"], "321\n", {"process.oomScoreAdj": 321})


@CHAPTER.must("Linux process", "without oomScoreAdj the value is not changed",
              ["/bin/cat", "/proc/self/oom_score_adj"])
def oom_score_adj_absent(c: Container) -> None:
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        own = file.read()
    got = output(c)
    require(got == own, f"it is {got.strip()}, the caller's is {own.strip()}")


CHAPTER.prints("scheduler", "Linux process", "scheduler sets policy, nice or priority",
               probe("sched"),
               "policy: 3\npriority: 0\nnice: 7\nio class: 0\nio priority: 0\n",
               {"process.scheduler": {"policy": "SCHED_BATCH", "nice": 7}})
CHAPTER.refuses("scheduler_unknown", "Linux process", "an unknown policy is an error",
                {"process.scheduler": {"policy": "SCHED_NOSUCH"}})
CHAPTER.prints("io_priority", "Linux process", "ioPriority sets class and priority",
               probe("sched"),
               "policy: 0\npriority: 0\nnice: 0\nio class: 3\nio priority: 0\n",
               {"process.ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0}})
CHAPTER.prints("user", "User", "uid, gid and additionalGids are those of the process", probe("id"),
               "uid: 1000 1000 1000\ngid: 2000 2000 2000\ngroups: 5 6\numask: 0022\ncwd: /\n",
               {"process.user": {"uid": 1000, "gid": 2000, "additionalGids": [5, 6]}})
CHAPTER.prints("user_umask", "User", "umask is that of the process", sh("umask"), "0077\n",
               {"process.user": {"uid": 0, "gid": 0, "umask": 0o077}})
CHAPTER.prints("hostname", "Hostname", "hostname is seen inside", ["/bin/hostname"], "inside\n",
               {"hostname": "inside"})
CHAPTER.prints("domainname", "Domainname", "domainname is seen inside",
               ["/bin/cat", "/proc/sys/kernel/domainname"], "example.org\n",
               {"domainname": "example.org"})

CHAPTER.prints("annotations_unknown", "Annotations", "unknown keys are no error", sh("echo ran"),
               "ran\n", {"annotations": {"com.example.unknown": "x", "org.example.empty": ""}})
CHAPTER.refuses("annotations_not_a_map", "Annotations", "annotations are a map",
                {"annotations": ["a=b"]})
CHAPTER.refuses("annotations_not_strings", "Annotations", "their values are strings",
                {"annotations": {"a": {"b": "c"}}})
CHAPTER.refuses("annotations_empty_key", "Annotations", "a key must not be empty",
                {"annotations": {"": "x"}})
CHAPTER.prints("unknown_properties", "Extensibility", "unknown properties are ignored",
               sh("echo ran"), "ran\n", {"unknown": {"a": 1}, "process.unknown": [1],
                                         "linux.unknown": "x", "root.unknown": None})
for name, edit in (("namespace", {"linux.namespaces+": [{"type": "nosuch"}]}),
                   ("propagation", {"linux.rootfsPropagation": "nosuch"}),
                   ("type_of_value", {"process.cwd": 5}),
                   ("seccomp_action", {"linux.seccomp": {"defaultAction": "SCMP_ACT_NOSUCH"}}),
                   ("device_type", {"linux.devices": [{"type": "x", "path": "/dev/x"}]})):
    CHAPTER.refuses(f"invalid_{name}", "Valid values",
                    f"an invalid {name.replace('_', ' ')} is an error", edit)


@CHAPTER.must("Bundle", "config.json is in the root of the bundle, by that name")
def config_in_bundle(c: Container) -> None:
    (c.bundle / "config.json").rename(c.bundle / "Config.json")
    refused(c)
    (c.bundle / "Config.json").rename(c.bundle / "config.json")
    works(c.run(), "run")
