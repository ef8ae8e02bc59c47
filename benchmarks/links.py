"""Links between processes of MPI: shared memory, or a network of limited speed.

The network connects two network namespaces of Linux on one computer.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ENVIRONMENT", "SHARED_MEMORY", "Link", "find_mpiexec", "limited"]

ROOT = Path(__file__).parents[1]
# Open MPI refuses to run as root, and to start more processes than there are processors.
ENVIRONMENT = {
    **{f"{name}_ALLOW_RUN_AS_ROOT{end}": "1" for name in ("OMPI", "PRTE") for end in ("", "_CONFIRM")},
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
# MPICH uses TCP instead of shared memory, and the interface of its network namespace.
TCP = {"MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self"}
IN_NAMESPACE = 'UCX_NET_DEVICES=refconv$PMI_RANK exec ip netns exec refconv$PMI_RANK "$@"'
BITS = 1e9


def find_mpiexec():
    """Return the path of mpiexec in the virtual environment or elsewhere; None if there is none."""
    return shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


@dataclass(frozen=True)
class Link:
    """Way in which the processes exchange messages.

    ``gigabits`` is its speed in Gbit/s, or None for shared memory.
    """

    gigabits: float | None = None

    def __str__(self):
        return "shared memory" if self.gigabits is None else f"TCP, {self.gigabits:g} Gbit/s"

    def run(self, module, arguments, processes, threads=1):
        """Return the last line that a module prints in several processes, read as JSON.

        If their number is 0, the module runs without mpiexec.
        """
        command = [sys.executable, "-m", module, *arguments]
        environment = {**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
        if self.gigabits is not None:
            environment |= TCP
            command = ["sh", "-c", IN_NAMESPACE, "sh", *command]
        if processes:
            command = [find_mpiexec(), "-n", str(processes), *command]
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
        if result.returncode:
            raise RuntimeError(result.stdout + result.stderr)
        return json.loads(result.stdout.strip().splitlines()[-1])


SHARED_MEMORY = Link()


@contextlib.contextmanager
def limited(gigabits):
    """Create two network namespaces with a link of limited speed, and remove them afterwards.

    Processes in them use TCP, as on two computers. It needs Linux, root, the commands ``ip`` and ``tc``, and MPICH.
    """
    spaces = ("refconv0", "refconv1")
    try:
        for space in spaces:
            _run(f"ip netns add {space}")
        _run(f"ip link add {spaces[0]} netns {spaces[0]} type veth peer name {spaces[1]} netns {spaces[1]}")
        for number, space in enumerate(spaces, 1):
            _run(f"ip -n {space} addr add 10.77.0.{number}/24 dev {space}")
            _run(f"ip -n {space} link set {space} up")
            _run(f"ip -n {space} link set lo up")
            _run(f"tc -n {space} qdisc add dev {space} root tbf rate {gigabits * BITS:.0f} burst 256kb latency 50ms")
        yield Link(gigabits)
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "delete", space], stderr=subprocess.DEVNULL)


def _run(command):
    subprocess.run(command.split(), check=True)
