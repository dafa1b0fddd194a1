"""Transfers of 1 GiB that are killed again and again, and whose tokens run out: what is lost, and that it ends well.

Environment: DASH_E2E_KILLS (per transfer, default 100), DASH_E2E_LAYER_MIB (default 1024).
"""
import hashlib
import os
import random
import subprocess
import sys
import time
import unittest

from registries import PASSWORD, USER, RegistryServer, TcpProxy, TokenServer, need_program, make_large_layout
from support import PROGRAM, Case

KILLS = int(os.environ.get("DASH_E2E_KILLS", "100"))
MIB = 1 << 20
SIZE = int(os.environ.get("DASH_E2E_LAYER_MIB", "1024")) * MIB
CHUNK = 16 * MIB
# What HTTP itself adds, per run.
HEADERS = 64 << 10


def file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(MIB):
            digest.update(block)
    return "sha256:" + digest.hexdigest()


class Position:
    """Watches a proxy for how far the blob is, and kills a process when that reaches a point."""

    def __init__(self, method):
        self.method = method
        self.point = None
        self.process = None

    def __call__(self, direction, data, connection):
        if direction == "up":
            head = bytes(data[:4096])
            if head.startswith((b"PATCH ", b"GET ", b"PUT ", b"POST ", b"HEAD ")):
                connection["at"] = self.start(head)
                body = head.find(b"\r\n\r\n") + 4
                data = data[body:] if body > 3 else data[:0]
        if connection.get("at") is not None and direction == ("up" if self.method == "PATCH" else "down"):
            connection["at"] += len(data)
            if self.point is not None and connection["at"] >= self.point:
                self.point = None
                self.process.kill()

    def start(self, head):
        """Where the body of this request, or of its answer, begins in the blob; nothing for other requests."""
        lines = head.decode("latin-1").split("\r\n")
        if not lines[0].startswith(self.method) or "/blobs/" not in lines[0]:
            return None
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        if self.method == "PATCH":
            return int(fields["content-range"].removeprefix("bytes ").split("-")[0])
        return int(fields.get("range", "bytes=0-").removeprefix("bytes=").split("-")[0])


class ResumeTest(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(20261124)

    def setUp(self):
        super().setUp()
        self.source = self.scratch / "source"
        self.image, self.layer = make_large_layout(self.source, SIZE)

    def serve(self, program, **options):
        server = RegistryServer(need_program(program), self.scratch / "registry", **options)
        self.addCleanup(server.stop)
        return server

    def proxy(self, server, **options):
        proxy = TcpProxy(server.port, **options)
        self.addCleanup(proxy.close)
        return proxy

    def start(self, *words):
        return subprocess.Popen(
            [PROGRAM, *map(str, words), "--progress", "quiet"],
            env={**os.environ, "DASH_BUILD_HOME": str(self.scratch / "home")},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )

    def kill_often(self, watch, kills, *words):
        """Nine of ten kills at points spread over the blob, the rest at the start of a run; then a run that ends."""
        points = sorted(self.random.randrange(SIZE) for _ in range(kills - kills // 10))
        plan = [("point", point) for point in points]
        for _ in range(kills // 10):
            plan.insert(self.random.randrange(len(plan) + 1), ("time", self.random.uniform(0, 0.05)))
        killed = 0
        for how, value in plan:
            process = watch.process = self.start(*words)
            watch.point = value if how == "point" else None
            if how == "time":
                time.sleep(value)
                process.kill()
            error = process.communicate(timeout=300)[1]
            self.assertEqual(process.returncode, -9, error)
            killed += 1
        watch.point = None
        process = self.start(*words)
        error = process.communicate(timeout=300)[1]
        self.assertEqual(process.returncode, 0, error)
        self.assertEqual(killed, kills)

    def blob_in(self, server):
        return server.data / "docker/registry/v2/blobs/sha256" / self.layer[7:9] / self.layer[7:] / "data"

    def push(self, server, kills):
        """Kills a push; returns how many bytes were sent again."""
        watch = Position("PATCH")
        proxy = self.proxy(server, watch=watch)
        started = time.monotonic()
        self.kill_often(watch, kills, "push", f"oci:{self.source}", f"{proxy.address}/large:1")
        self.assertEqual(file_digest(self.blob_in(server)), self.layer)
        again = proxy.bytes["up"] - SIZE
        print(f"\n{self.id()}: {kills} kills, {again / MIB:.0f} MiB sent again, {time.monotonic() - started:.0f} s", file=sys.stderr)
        return again

    def test_push_to_distribution(self):
        server = self.serve("registry")
        self.assertLessEqual(self.push(server, KILLS), KILLS * CHUNK + (KILLS + 1) * HEADERS)

    def test_push_to_debian(self):
        """2.8 forgets an upload whose connection broke in the middle of a chunk, and what it had of it."""
        self.push(self.serve("docker-registry"), 5)

    def test_pull(self):
        for program in "registry", "docker-registry":
            if need_program(program):
                break
        server = self.serve(program)
        self.dash("push", f"oci:{self.source}", f"{server.address}/large:1", store=self.scratch / "other")
        watch = Position("GET")
        proxy = self.proxy(server, watch=watch)
        target = self.scratch / "target"
        started = time.monotonic()
        self.kill_often(watch, KILLS, "copy", f"docker://{proxy.address}/large:1", f"oci:{target}:1")
        self.assertEqual(file_digest(target / "blobs/sha256" / self.layer[7:]), self.layer)
        self.assertEqual(sorted(file.name for file in (target / "blobs/sha256").iterdir() if file.name.endswith(".part")), [])
        again = proxy.bytes["down"] - SIZE
        print(f"\n{self.id()}: {KILLS} kills, {again / MIB:.0f} MiB received again, {time.monotonic() - started:.0f} s", file=sys.stderr)
        self.assertLessEqual(again, KILLS * CHUNK + (KILLS + 1) * HEADERS)

    def push_with_tokens(self, program):
        """Tokens that are good for two seconds, and a push that takes more than ten."""
        tokens = TokenServer(self.scratch / "tokens", life=2)
        self.addCleanup(tokens.close)
        server = self.serve(program, auth=tokens.auth)
        old = tokens.sign({"scope": ["repository:large:pull"]})
        self.assertEqual(server.status("large/tags/list", old), 404)
        proxy = self.proxy(server, rate=SIZE / 11)
        started = time.monotonic()
        self.dash("push", f"oci:{self.source}", f"{proxy.address}/large:1", "--creds", f"{USER}:{PASSWORD}", store=self.scratch / "home")
        took = time.monotonic() - started
        self.assertEqual(file_digest(self.blob_in(server)), self.layer)
        self.assertLess(proxy.bytes["up"] - SIZE, 2 * CHUNK)
        self.assertGreaterEqual(took, 10)
        self.assertGreaterEqual(tokens.given, 5)
        self.assertEqual(server.status("large/tags/list", old), 401)  # they really run out
        print(f"\n{self.id()}: {took:.0f} s, {tokens.given} tokens", file=sys.stderr)

    def test_tokens_of_distribution(self):
        self.push_with_tokens("registry")

    def test_tokens_of_debian(self):
        self.push_with_tokens("docker-registry")


if __name__ == "__main__":
    unittest.main(verbosity=2)
