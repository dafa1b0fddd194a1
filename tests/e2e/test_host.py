"""doctor, shell completion, help, and commands on a store that is not there."""
import json
import os
import pty
import select
import time
import unittest

from support import PROGRAM, Case, run


class DoctorTest(Case):
    def findings(self, *words, code=0, **options):
        result = self.dash("doctor", "--json", *words, check=False, **options)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual(report["ok"], code == 0)
        return {finding["subject"]: finding for finding in report["findings"]}

    def test_this_host(self):
        found = self.findings("--offline")
        for subject in ("store", "namespaces", "runtime", "base image", "certificates", "uv", "clock"):
            self.assertIn(subject, found)
            self.assertNotEqual(found[subject]["verdict"], "bad", found[subject])
        text = self.dash("doctor", "--offline").stdout
        self.assertIn("ok   namespaces", text)

    def test_missing_programs(self):
        """With a PATH that has only python3: no runtime is found in the usual places either."""
        tools = self.scratch / "bin"
        tools.mkdir()
        (tools / "true").symlink_to("/usr/bin/true")
        found = self.findings("--offline", code=10, env={"PATH": str(tools)})
        self.assertEqual(found["base image"]["verdict"], "bad")
        self.assertEqual(found["base image"]["advice"], "apt-get install mmdebstrap, or use --base")
        self.assertEqual(self.findings("--offline", "--base", "oci:x", "--uv", "/usr/bin/true",
                                       env={"PATH": str(tools)})["base image"]["found"], "oci:x")

    def test_unusual_settings(self):
        found = self.findings("--offline", env={"DASH_BUILD_TREADS": "4", "http_proxy": "proxy.example:3128"})
        self.assertEqual(found["configuration"]["found"], "DASH_BUILD_TREADS set, which has no meaning")
        self.assertEqual(found["proxy"]["advice"], "write it as a URL: http://proxy.example:3128")
        found = self.findings("--offline", "--uv", "/no/uv", code=10)
        self.assertEqual(found["uv"]["found"], "/no/uv is not a program")

    def test_credentials_of_proxies_stay_secret(self):
        out = self.dash("doctor", "--offline", env={"https_proxy": "http://me:hunter2@proxy.example:1"}, check=False)
        self.assertNotIn("hunter2", out.stdout)
        self.assertIn("proxy.example", out.stdout)

    def test_a_small_disk(self):
        disk = self.scratch / "disk"
        disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", disk)
        self.addCleanup(run, "umount", "-l", disk, check=False)
        found = self.findings("--offline", code=10, store=disk / "store")
        self.assertRegex(found["store"]["found"], r"/disk/store, 52\.4 MB free, \d+ inodes$")
        self.assertEqual(found["store"]["verdict"], "bad")
        self.assertEqual(os.listdir(disk), [])  # nothing was made there

    def test_the_namespace_check_fails_without_rights(self):
        words = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", PROGRAM, "doctor", "--offline"]
        result = run(*words, check=False, env={"DASH_BUILD_HOME": str(self.scratch / "store")})
        self.assertEqual(result.returncode, 10, result.stdout)
        self.assertIn("FAIL namespaces", result.stdout)
        self.assertIn("→ run it as root with CAP_SYS_ADMIN", result.stdout)


class CompletionTest(Case):
    def complete(self, *words):
        """What bash offers for the last word."""
        script = self.scratch / "bash"
        script.write_text(self.dash("completion", "bash").stdout)
        quoted = " ".join(f"'{word}'" for word in words)
        code = (
            f"set -u; source {script}; complete -p dash-build >/dev/null; COMP_WORDS=(dash-build {quoted}); "
            f"COMP_CWORD={len(words)}; _dash_build; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
        return run("bash", "--norc", "-c", code, cwd=self.scratch).stdout.split("\n")[:-1]

    def test_bash(self):
        self.assertEqual(self.complete("bu"), ["build"])
        self.assertEqual(self.complete("build", "--progress", ""), ["auto", "tty", "plain", "json", "quiet"])
        self.assertEqual(self.complete("build", "--off"), ["--offline"])
        self.assertEqual(self.complete("completion", ""), ["bash", "zsh", "fish"])
        self.assertIn("sync", self.complete("mirror", ""))
        self.assertEqual(self.complete("mirror", "sync", "--dry"), ["--dry-run"])
        (self.scratch / "my app").mkdir()
        (self.scratch / "a-file").touch()
        self.assertEqual(self.complete("build", "m"), ["my app"])
        self.assertEqual(self.complete("build", "--metadata-file", "a-"), ["a-file"])

    def test_every_option_is_offered(self):
        for command in self.complete(""):
            if command.startswith("-"):
                continue
            help_text = self.dash(command, "--help").stdout
            for option in self.complete(command, "--"):
                self.assertIn(option, help_text)
        for command in self.complete("mirror", ""):
            if command.startswith("-"):
                continue
            help_text = self.dash("mirror", command, "--help").stdout
            for option in self.complete("mirror", command, "--"):
                self.assertIn(option, help_text)

    def write_script(self, shell):
        script = self.scratch / shell
        script.write_text(self.dash("completion", shell).stdout)
        run(shell, "-n", script)
        return script

    def test_fish(self):
        script = self.write_script("fish")
        offer = lambda line: {
            row.split("\t")[0]
            for row in run("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'").stdout.splitlines()
        }
        self.assertEqual(offer("dash-build com"), {"completion"})
        self.assertEqual(offer("dash-build build --prog"), {"--progress"})
        self.assertEqual(offer("dash-build mirror sy"), {"sync"})
        self.assertEqual(offer("dash-build mirror sync --dry"), {"--dry-run"})
        self.assertEqual(offer("dash-build build --progress "), {"auto", "tty", "plain", "json", "quiet"})

    def test_zsh(self):
        """Typed on a terminal, as there is no other way to ask it."""
        script = self.write_script("zsh")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe("zsh", ["zsh", "-f"], {**os.environ, "TERM": "dumb"})
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.close, terminal)

        def type_and_expect(text, expected):
            os.write(terminal, text.encode())
            seen, end = "", time.monotonic() + 30
            while expected not in seen:
                self.assertLess(time.monotonic(), end, seen)
                if select.select([terminal], [], [], 0.1)[0]:
                    seen += os.read(terminal, 65536).decode(errors="replace")

        type_and_expect(f"autoload -Uz compinit; compinit -D -u; source {script}; print $_comps[dash-build]=\n", "_dash_build=")
        type_and_expect("dash-build insp\t", "dash-build inspect ")
        type_and_expect("\x15dash-build mirror sync --dry\t", "mirror sync --dry-run ")
        type_and_expect("\x15dash-build build --prog\t", "build --progress ")
        type_and_expect("pl\t", "plain ")

    def test_other_shell(self):
        self.assertEqual(self.dash("completion", "ksh", check=False).returncode, 2)


class StoreTest(Case):
    def test_a_misspelt_home_makes_no_store(self):
        home = self.scratch / "typo"
        for words in (["images"], ["inspect", "x"], ["rm", "x"], ["gc"], ["df"], ["validate"]):
            result = self.dash(*words, store=home, check=False)
            self.assertEqual(result.returncode, 9, words)
            self.assertEqual(
                result.stderr,
                f"error: there is no store at {home}\n"
                "hint: check --home and DASH_BUILD_HOME; 'dash-build build' makes a store\n",
            )
            self.assertFalse(home.exists(), words)

    def test_every_command_has_examples_of_its_own(self):
        general = self.dash("--help").stdout
        commands = [line.split()[0] for line in general[general.index("Subcommands:") :].split("\n")[1:] if line.startswith("  ")]
        self.assertIn("config", commands)
        for command in commands:
            if command == "dash-build":
                continue
            text = self.dash(command, "--help").stdout
            self.assertIn(f"  dash-build {command}", text[text.index("Example") :], command)


if __name__ == "__main__":
    unittest.main(verbosity=2)
