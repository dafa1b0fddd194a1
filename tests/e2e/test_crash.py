"""Builds that are killed or interrupted: the store stays valid, nothing stays mounted or running, the next one works."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time
import unittest

from support import PROGRAM, SHARED_STORE, Case, decisions, run

KILLS = int(os.environ.get("DASH_E2E_KILLS", "12"))


def processes_using(text):
    """Command lines of living processes that mention `text` (the test's store)."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command and int(pid) != os.getpid():
            found.append(command)
    return found


class CrashTest(Case):
    def setUp(self):
        super().setUp()
        # A store that has the base image only, so that every other step really runs.
        self.build(self.copy_app("sales", "warm"))
        self.store = self.scratch / "store"
        self.app = self.copy_app("inventory")
        self.dash("build", self.app, "-t", self.tag)  # downloads into the shared store
        for part in ("layout", "records", "packages", "tools", "caches"):
            shutil.copytree(SHARED_STORE / part, self.store / part, symlinks=True)

    def start(self):
        return subprocess.Popen(
            [PROGRAM, "build", self.app, "-t", self.tag, "--no-cache", "--progress", "plain"],
            env={**os.environ, "DASH_BUILD_HOME": str(self.store)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def assert_clean(self):
        for _ in range(20):  # the kernel takes a moment to end a process namespace
            if not processes_using(str(self.store)):
                break
            time.sleep(0.1)
        self.assertEqual(processes_using(str(self.store)), [])
        self.assertNotIn(str(self.store), pathlib.Path("/proc/self/mountinfo").read_text())
        self.assertEqual(self.dash("validate", store=self.store).stdout, "valid\n")

    def test_sigkill(self):
        started = time.monotonic()
        complete = self.build(self.app, "--no-cache", store=self.store)
        duration = time.monotonic() - started
        generator = random.Random(20261124)
        for kill in range(1, KILLS + 1):
            process = self.start()
            time.sleep(generator.uniform(0, duration))
            process.kill()
            process.communicate()
            self.assert_clean()
            if kill % 10 == 0 or kill == KILLS:
                after = self.build(self.app, store=self.store)
                self.assertEqual(after["image.digest"], complete["image.digest"])
        self.assertEqual(os.listdir(self.store / "work"), [])

    def test_interrupt(self):
        """Ctrl-C while a command runs in the sandbox ends the build within a second."""
        with open(self.app / "app.json", "w") as file:
            file.write('{"predeploy": "echo it runs now; sleep 300"}')
        process = self.start()
        for line in process.stderr:
            if "it runs now" in line:
                break
        else:
            self.fail("predeploy did not start")
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=20)[1]
        self.assertLess(time.monotonic() - started, 1.5)
        self.assertEqual(process.returncode, 130, rest)
        self.assert_clean()
        self.assertNotIn("predeploy", [k for k, v in decisions(self.build(self.copy_app("sales", "s"))).items() if v == "build"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
