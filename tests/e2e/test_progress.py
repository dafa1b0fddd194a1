"""What a running build shows: json by its schema, plain, and a terminal as a person sees it."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unittest

from support import PROGRAM, ROOT, SHARED_STORE, Case

PREDEPLOY = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.15; done; printf 'a\\033[31mred\\007\\n'"
TYPES = {"string": str, "integer": int, "number": (int, float), "object": dict, "array": list}


def fits(value, schema):
    """The part of JSON Schema that events.schema.json uses."""
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        return False
    if any(name not in value for name in schema.get("required", [])):
        return False
    if any(not fits(value[name], part) for name, part in schema.get("properties", {}).items() if name in value):
        return False
    if isinstance(value, list) and not all(fits(item, schema.get("items", {})) for item in value):
        return False
    return "oneOf" not in schema or sum(fits(value, part) for part in schema["oneOf"]) == 1


class Terminal:
    """What is on a terminal after some output: enough of one for what the program writes."""

    def __init__(self, columns):
        self.columns = columns
        self.rows = [""]
        self.row = self.column = 0
        self.most_rows = 0

    def write(self, text):
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|.", text, re.DOTALL):
            if part == "\r":
                self.column = 0
            elif part == "\n":
                self.row += 1
                self.column = 0
            elif part == "\x1b[A":
                self.row -= 1
            elif part == "\x1b[J":
                self.rows = self.rows[: self.row] + [self.rows[self.row][: self.column]]
            elif not part.startswith("\x1b"):
                self._put(part)
            while len(self.rows) <= self.row:
                self.rows.append("")

    def _put(self, character):
        if self.column == self.columns:
            self.row += 1
            self.column = 0
        while len(self.rows) <= self.row:
            self.rows.append("")
        line = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = line[: self.column] + character + line[self.column + 1 :]
        self.column += 1


class ProgressTest(Case):
    def make_small_app(self, predeploy):
        """An app whose predeploy always runs."""
        return self.make_app(
            {
                "requirements.txt": "colorama==0.4.6\n",
                "Procfile": "web: python app.py\n",
                "app.py": "\n",
                "app.json": json.dumps({"predeploy": f": {time.time_ns()}; {predeploy}"}),
            }
        )

    def run_on_terminal(self, *words, columns=60, resize=None, env=None):
        """Runs a build on a terminal; returns its output and exit code."""
        primary, secondary = pty.openpty()
        set_size = lambda width: fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 20, width, 0, 0))
        set_size(columns)
        environment = {**os.environ, "DASH_BUILD_HOME": str(SHARED_STORE), "TERM": "xterm", "NO_COLOR": "", **(env or {})}
        process = subprocess.Popen(
            [PROGRAM, "build", *map(str, words), "-t", self.tag],
            stdin=subprocess.DEVNULL, stdout=secondary, stderr=secondary, env=environment,
        )
        output = b""
        os.set_blocking(primary, True)
        resized = False
        while process.poll() is None:
            output += self.read_some(primary)
            if resize and not resized and b"line 3" in output:
                set_size(resize)
                resized = True
        os.close(secondary)
        while chunk := self.read_some(primary):
            output += chunk
        os.close(primary)
        return output.decode(), process.returncode

    @staticmethod
    def read_some(primary):
        if not select.select([primary], [], [], 0.2)[0]:
            return b""
        try:
            return os.read(primary, 65536)
        except OSError:  # the other side is closed
            return b""

    def test_json(self):
        schema = json.loads((ROOT / "docs/formats/events.schema.json").read_text())
        app = self.make_small_app("echo hello; printf '\\377\\n'")
        result = self.dash("build", app, "-t", self.tag, "--progress", "json", "--no-cache")
        events = [json.loads(line) for line in result.stderr.splitlines()]
        for event in events:
            self.assertTrue(fits(event, schema), event)
        kinds = {event["event"] for event in events}
        self.assertLessEqual({"step-planned", "step-started", "log", "layer", "step-finished"}, kinds)
        self.assertIn({"event": "log", "step": "predeploy", "line": "hello"}, events)
        self.assertFalse(fits({"event": "log", "step": "x"}, schema))  # the check can fail
        self.assertFalse(fits({"event": "bytes", "step": "x", "what": "y", "done": "1", "total": 1}, schema))
        planned = next(event for event in events if event["event"] == "step-planned")
        self.assertIn("recipe", [leaf["name"] for leaf in planned["leaves"]])
        self.assertFalse(fits({**planned, "leaves": [{"name": "recipe"}]}, schema))

    def test_plain(self):
        log = self.build(self.make_small_app("echo hello"))["log"]
        self.assertRegex(log, r"\[predeploy\] build: .+\n\[predeploy\] hello\n")
        self.assertRegex(log, r"\[predeploy\] layer sha256:[0-9a-f]{64} \d+ B\n\[predeploy\] done in \d\.\d\d s\n")
        self.assertNotIn("\x1b", log)

    def test_terminal(self):
        output, code = self.run_on_terminal(self.make_small_app(PREDEPLOY), columns=100)
        self.assertEqual(code, 0)
        self.assertIn("\x1b[32m", output)
        self.assertRegex(output, r"> predeploy +\d\.\d\d s")
        self.assertIn("  | line 3", output)
        self.assertNotIn("\x07", output)
        self.assertIn("  | ared", output)
        terminal = Terminal(100)
        terminal.write(output)
        screen = "\n".join(row.rstrip() for row in terminal.rows)
        # What ran is folded into one line, and the report follows it.
        self.assertRegex(screen, r"✓ predeploy +\d\.\d\d s +build: .+\nimage   test/")
        self.assertNotIn("line 8", screen)
        self.assertNotIn(">", screen)

    def test_narrower_terminal(self):
        long_line = PREDEPLOY.replace("line $i", "line $i " + "x" * 70)
        output, code = self.run_on_terminal(self.make_small_app(long_line), columns=100, resize=30)
        self.assertEqual(code, 0)
        frames = output.split("\x1b[J")
        self.assertGreater(len(frames), 5)
        drawn = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line) for frame in frames[-3:-1] for line in frame.split("\n")]
        for line in drawn:
            self.assertLess(len(line.strip("\r")), 30, line)

    def test_no_colour(self):
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            output, code = self.run_on_terminal(self.make_small_app("echo hello"), "--progress", "tty", env=env)
            self.assertEqual(code, 0)
            self.assertNotRegex(output, r"\x1b\[[0-9;]*m", env)
        output, _ = self.run_on_terminal(self.make_small_app("echo hello again"), env={"TERM": "dumb"})
        self.assertNotIn("\x1b", output)
        self.assertIn("[predeploy] hello again", output)

    def test_a_failing_step(self):
        output, code = self.run_on_terminal(self.make_small_app("echo trouble; exit 3"))
        self.assertEqual(code, 4)
        terminal = Terminal(60)
        terminal.write(output)
        screen = "\n".join(row.rstrip() for row in terminal.rows)
        self.assertIn("error: the predeploy script", screen)
        self.assertNotIn("> predeploy", screen)
        self.assertIn("    | trouble", screen)


if __name__ == "__main__":
    unittest.main(verbosity=2)
