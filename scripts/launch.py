"""Starts a program of a bundle or of the Python wheel with the libtorch of this Python.

usage: python3 launch.py NAME ARGS...   (the wheel's command `roundlab` is NAME roundlab)
"""
import glob
import importlib.metadata
import importlib.util
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TORCH = "2.11.0"


def package_folders(name):
    spec = importlib.util.find_spec(name)
    return list(spec.submodule_search_locations or []) if spec else []


def torch_folders():
    folders = package_folders("torch")
    if not folders:
        sys.exit(f"roundlab: {sys.executable} has no torch; get it: {sys.executable} -m pip install torch=={TORCH}")
    version = importlib.metadata.version("torch").split("+")[0]
    if version != TORCH:
        sys.exit(f"roundlab: torch {version} of {sys.executable} is not {TORCH}, which this program was built with; "
                 f"get it: {sys.executable} -m pip install torch=={TORCH}")
    # torch's own libraries, and CUDA's, which are packages of their own.
    return [f + "/lib" for f in folders] + sorted(g for f in package_folders("nvidia") for g in glob.glob(f + "/*/lib"))


def driver_folders():
    """Of NVIDIA's driver in a container, where the loader would not find it."""
    try:
        known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True).stdout
    except OSError:
        known = ""
    return [] if "libcuda.so.1" in known else ["/usr/local/nvidia/lib64", "/usr/local/nvidia/lib"]


def start(name, arguments):
    folders = [HERE + "/lib", *torch_folders(), *driver_folders()]
    if os.environ.get("LD_LIBRARY_PATH"):
        folders.append(os.environ["LD_LIBRARY_PATH"])
    os.environ["LD_LIBRARY_PATH"] = ":".join(folders)
    os.environ.setdefault("ROUNDLAB_CONFIGS", HERE + "/configs")
    program = f"{HERE}/bin/{name}"
    try:
        os.execv(program, [program, *arguments])
    except OSError as error:
        sys.exit(f"roundlab: {program}: {error.strerror}")


def main():
    start("roundlab", sys.argv[1:])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: launch.py NAME ARGS...")
    start(sys.argv[1], sys.argv[2:])
