#!/usr/bin/env python3
"""Times commands side by side: wall and CPU seconds, peak memory, size of what they make, as medians and ratios.

measure.py CASES.json [-n RUNS]. CASES.json: a list of {"name", "command", "before" (untimed), "size" (a path), "daemon" (a
file with the number of a process that works for the command: its CPU counts, and its peak)}. The first case is the one
that ratios refer to. Runs are interleaved, so that a slow moment of the machine meets every case.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time


def tree_size(path):
    path = pathlib.Path(path)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    return sum(file.stat().st_size for file in files)


class Daemon:
    """What a process and the children that it waited for used since this object was made."""

    def __init__(self, pid_file):
        self.pid = pathlib.Path(pid_file).read_text().strip()
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # forget the peak so far
        self.start = self.cpu_now()

    def cpu_now(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def cpu(self):
        return self.cpu_now() - self.start

    def peak(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


def run_once(case):
    if case.get("before"):
        subprocess.run(["bash", "-c", case["before"]], check=True, stdout=subprocess.DEVNULL)
    daemon = Daemon(case["daemon"]) if case.get("daemon") else None
    start = time.monotonic()
    process = subprocess.Popen(
        ["bash", "-c", case["command"]], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{case['name']} failed:\n{error.decode()[-3000:]}")
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime + (daemon.cpu() if daemon else 0),
        "peak": max(usage.ru_maxrss / 1024, daemon.peak() if daemon else 0),
        "size": tree_size(case["size"]) / 1e6 if case.get("size") else 0,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases")
    parser.add_argument("-n", type=int, default=5)
    options = parser.parse_args()
    cases = json.loads(pathlib.Path(options.cases).read_text())
    results = {case["name"]: [] for case in cases}
    for case in cases:
        run_once(case)  # warms caches
    for _ in range(options.n):
        for case in cases:
            results[case["name"]].append(run_once(case))
    first = None
    print(f"{'case':28} {'wall s':>8} {'ratio':>6} {'cpu s':>8} {'ratio':>6} {'peak MiB':>9} {'MB':>8}")
    for name, runs in results.items():
        row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        first = first or row
        print(
            f"{name:28} {row['wall']:8.2f} {row['wall'] / first['wall']:6.2f} {row['cpu']:8.2f} "
            f"{row['cpu'] / first['cpu']:6.2f} {row['peak']:9.0f} {row['size']:8.1f}"
        )
    spread = {name: (min(r["wall"] for r in runs), max(r["wall"] for r in runs)) for name, runs in results.items()}
    print("wall, lowest to highest: " + ", ".join(f"{n} {a:.2f}-{b:.2f}" for n, (a, b) in spread.items()))


if __name__ == "__main__":
    main()
