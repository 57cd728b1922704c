"""A Slurm of one node for tests: on loopback only, on free ports, all its files in one folder.

Debian's packages slurmctld, slurmd, slurm-client and munge; as root. The daemons are this process's
children: stop() ends them by their ids and nothing else, and the kernel does so where this process dies.
"""
import ctypes
import getpass
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import time

PROGRAMS = ["slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "scontrol", "sinfo"]
PR_SET_PDEATHSIG = 1

CONFIG = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=test Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


def find(program):
    """Its file, also where Debian's folder of daemons is not on PATH; None where it is missing."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def missing():
    """Why Slurm can't be started here; empty where it can."""
    absent = [program for program in PROGRAMS if not find(program)]
    if absent:
        return "needs " + ", ".join(absent) + " (packages slurmctld, slurmd, slurm-client, munge)"
    return "" if os.geteuid() == 0 else "slurmd runs jobs as root only"


def free_ports(count):
    with_port = [socket.socket() for _ in range(count)]
    try:
        for one in with_port:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in with_port]
    finally:
        for one in with_port:
            one.close()


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class LocalSlurm:
    """Started when made. `environment` is that of a process that uses it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.daemons = []
        self.environment = dict(os.environ, SLURM_CONF=str(self.folder / "slurm.conf"))
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        self.folder.chmod(0o755)
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir(mode=0o711)
        key = self.folder / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(1024))
        config = CONFIG.format(folder=self.folder, user=getpass.getuser(), ports=free_ports(2),
                               cpus=len(os.sched_getaffinity(0)))
        (self.folder / "slurm.conf").write_text(config)
        munge = self.folder / "munge"
        self._daemon("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}/socket",
                     f"--pid-file={munge}/pid", f"--seed-file={munge}/seed", f"--log-file={munge}/log")
        self._until((munge / "socket").exists, "munged makes its socket")
        self._daemon("slurmctld", "-D", "-c")
        self._daemon("slurmd", "-D", "-c", "-N", "localhost")
        self._until(lambda: self.ask("sinfo", "--noheader", "--format=%T") == "idle", "the node is idle")

    def _daemon(self, program, *words):
        with open(self.folder / f"{program}.log", "ab") as log:
            self.daemons.append(subprocess.Popen(
                [find(program), *words], env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent))

    def _until(self, condition, what, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))
                raise TimeoutError(f"Slurm: not in {seconds} s: {what}\n{logs}")
            time.sleep(0.1)

    def ask(self, *words):
        """What a command of Slurm prints; its complaints where it fails."""
        done = subprocess.run([find(words[0]), *words[1:]], env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=30)
        return done.stdout.strip()

    def stop(self):
        """Ends all jobs, then the daemons, the last first."""
        if len(self.daemons) == 3:
            self.ask("scancel", "--user=" + getpass.getuser())
            self._until(lambda: not self.ask("squeue", "--noheader"), "all jobs have ended")
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons = []
