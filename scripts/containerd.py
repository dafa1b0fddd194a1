#!/usr/bin/env python3
"""A containerd of our own and containers in it: used by demo.sh and by the end-to-end tests.

As a program: containerd.py IMAGE.tar [--port N] runs the image's web process, prints the page's title and who answers.
Everything lives in one directory, listens on loopback, and stops with the object.
"""
import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

NAMESPACE = "dash-build"
APP_USER = "32767:32767"


class Containerd:
    """Runs containerd in `directory` until the with-block ends."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.process = None

    def __enter__(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "config.toml"
        config.write_text(
            f'version = 2\nroot = "{self.directory}/root"\nstate = "{self.directory}/state"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\n  address = "{self.directory}/containerd.sock"\n'
        )
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["containerd", "--config", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_until_ready(self):
        for _ in range(150):
            if self.process.poll() is not None:
                break
            if self.ctr("version", check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError("containerd did not start:\n" + (self.directory / "log").read_text()[-3000:])

    def __exit__(self, *_):
        if self.process.poll() is None:
            for name in self.ctr("containers", "list", "-q", check=False).stdout.split():
                self.remove(name)
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
            self.process.kill()
            self.process.wait()
        mounts = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        for target in sorted((m for m in mounts if m.startswith(f"{self.directory}/")), reverse=True):
            subprocess.run(["umount", "-l", target], check=False)

    def ctr(self, *words, check=True, timeout=180):
        command = ["ctr", "--address", self.directory / "containerd.sock", "--namespace", NAMESPACE, *words]
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        if check and result.returncode != 0:
            raise RuntimeError(f"ctr {' '.join(map(str, words))} failed:\n{result.stdout}{result.stderr}")
        return result

    def import_image(self, archive):
        """Imports an oci-archive; returns the image's name in containerd."""
        before = set(self.ctr("images", "list", "-q").stdout.split())
        self.ctr("images", "import", "--base-name", f"local.example/image{len(before)}", archive)
        new = set(self.ctr("images", "list", "-q").stdout.split()) - before
        if len(new) != 1:
            raise RuntimeError(f"importing {archive} made {len(new)} images")
        return new.pop()

    def run(self, image, name, port, *words, environment=None, mounts=None):
        """Starts a container; `words` are run instead of the image's own command. `mounts`: {source: target}."""
        log = self.directory / f"{name}.log"
        # The host's network, but not with --net-host: that wants an /etc/hosts, which a minimal system has not.
        network = f"network:/proc/{os.getpid()}/ns/net"
        options = ["--env", f"PORT={port}"]
        for key, value in (environment or {}).items():
            options += ["--env", f"{key}={value}"]
        for source, target in (mounts or {}).items():
            options += ["--mount", f"type=bind,src={source},dst={target},options=rbind:rw"]
        self.ctr("run", "--detach", "--with-ns", network, *options, "--log-uri", f"file://{log}", image, name, *words)

    def log(self, name):
        """What a container of `run` has written so far."""
        file = self.directory / f"{name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def exec(self, name, *words, check=True):
        """Runs a command in a running container as the app's user; returns its completed process."""
        exec_id = f"x{time.monotonic_ns()}"
        return self.ctr("tasks", "exec", "--exec-id", exec_id, "--user", APP_USER, name, *words, check=check)

    def page(self, name, port, path="/"):
        """The page of a running container, waiting until it answers."""
        url = f"http://127.0.0.1:{port}{path}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(300):
            with contextlib.suppress(OSError):
                return opener.open(url, timeout=10).read().decode()
            if not re.search(rf"^{re.escape(name)}\s.*RUNNING", self.ctr("tasks", "list").stdout, re.MULTILINE):
                break
            time.sleep(0.2)
        raise RuntimeError(f"{url} did not answer; the container's log:\n" + self.log(name))

    def user_of(self, name):
        """uid and gid of the container's first process, as the kernel has them."""
        for line in self.ctr("tasks", "list").stdout.splitlines()[1:]:
            words = line.split()
            if words[0] == name:
                status = pathlib.Path(f"/proc/{words[1]}/status").read_text()
                return tuple(int(re.search(rf"^{key}:\s+(\d+)", status, re.MULTILINE)[1]) for key in ("Uid", "Gid"))
        raise RuntimeError(f"no task {name}")

    def remove(self, name):
        self.ctr("tasks", "kill", "--signal", "SIGKILL", name, check=False)
        for _ in range(50):
            if self.ctr("tasks", "delete", name, check=False).returncode == 0:
                break
            time.sleep(0.1)
        self.ctr("containers", "delete", name, check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive")
    parser.add_argument("--port", type=int, default=8050)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = tempfile.mkdtemp(prefix="dash-containerd.", dir="/var/tmp")
    try:
        with Containerd(directory) as containerd:
            containerd.run(containerd.import_image(options.archive), "web", options.port)
            page = containerd.page("web", options.port)
            title = re.search(r"<title>(.*?)</title>", page)
            user, group = containerd.user_of("web")
            print(f"http://127.0.0.1:{options.port}/ answers: {title[1] if title else page[:80]!r}")
            print(f"its process runs as {user}:{group}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
