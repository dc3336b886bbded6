# Starts a server as a systemd unit would, as far as that goes without systemd: its socket as descriptor 3 (sd_listen_fds(3)), its
# system-call filter by libseccomp, its limits. The first argument is the unit's path, the second the socket's or "", then the command.
import ctypes, os, resource, socket, subprocess, sys

unit_path, socket_path, *command = sys.argv[1:]
keys = [line.strip().partition("=")[::2] for line in open(unit_path) if "=" in line and line[0] not in "#["]
value = lambda name: [text for key, text in keys if key == name]


def members(name):
    """The calls of a set such as @system-service, with those of the sets in it (systemd.exec(5))."""
    if not name.startswith("@"):
        return {name}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    lines = [line.strip() for line in listed.splitlines()[1:]]
    return set().union(*(members(line) for line in lines if line and not line.startswith("#")))


def allowed():
    calls = set()
    for text in value("SystemCallFilter"):
        sets = set().union(*(members(name) for name in text.lstrip("~").split()))
        calls = calls - sets if text.startswith("~") else calls | sets
    # systemd itself must still execute the program.
    return calls | {"execve"}


def apply_filter():
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    refuse = 0x00050000 | 1  # SCMP_ACT_ERRNO(EPERM)
    context = ctypes.c_void_p(seccomp.seccomp_init(refuse))
    for call in allowed():
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            seccomp.seccomp_rule_add(context, 0x7FFF0000, number, 0)
    if seccomp.seccomp_load(context) != 0:
        sys.exit("the filter could not be loaded")


if socket_path:
    if os.path.exists(socket_path):
        os.unlink(socket_path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(socket_path)
    os.chmod(socket_path, 0o660)
    listener.listen(128)
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
descriptors = int(value("LimitNOFILE")[0])
resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
# MemoryMax counts what is used; this, what could be, is the stricter one that a process can be given by another.
memory = int(value("MemoryMax")[0].removesuffix("M")) << 20
resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
os.umask(int(value("UMask")[0], 8))
apply_filter()
os.execv(command[0], command)
