"""Process types: how /start and /exec run a Procfile's commands, in which environment, and an app of three types."""
import json
import shlex
import time
import unittest

from support import Case, run

from containerd import Containerd

# Procfile lines and what they print; $PORT is 8091.
LINES = [
    ("echo plain words", "plain words\n"),
    ('echo --bind "0.0.0.0:$PORT"', "--bind 0.0.0.0:8091\n"),
    ("python -c \"print(1, 2)\"", "1 2\n"),
    ("bash -c \"cd / && exec pwd\"", "/\n"),
    ("cd sub && pwd", "/app/sub\n"),
    ("printf '%s|' \"pkg:create_app()\"", "pkg:create_app()|"),
    ("printf '%s|' pkg:create_app() --x=1 # factory", "pkg:create_app()|--x=1|"),
    ("printf '%s|' pkg.web:make(\"a\")  -w 2", "pkg.web:make(\"a\")|-w|2|"),
    ("(echo in; echo parentheses)", "in\nparentheses\n"),
    ("echo $(echo substituted) $((1 + 2))", "substituted 3\n"),
    ("echo sub/a*", "sub/a1 sub/a2\n"),
    ("echo -Q 'a*' \\$HOME \"$HOME\"", "-Q a* $HOME /app\n"),
    ("echo cut # a comment", "cut\n"),
    ("echo cut // a comment", "cut\n"),
    ("echo kept#this http://x//y '# and' \"// this\"", "kept#this http://x//y # and // this\n"),
    ("A=1 env | grep ^A=", "A=1\n"),
    ("echo one; echo two", "one\ntwo\n"),
    ("false || echo rescued", "rescued\n"),
    ("echo $DYNO $USER $PWD", "t.1 herokuishuser /app\n"),
]
DEFAULTS = {
    "HOME": "/app",
    "USER": "herokuishuser",
    "PYTHONUNBUFFERED": "true",
    "PYTHONHASHSEED": "random",
    "PYTHONPATH": "/app",
    "LANG": "C.UTF-8",
    "FORWARDED_ALLOW_IPS": "*",
    "GUNICORN_CMD_ARGS": "--access-logfile -",
}
APP = {
    "Procfile": "\ufeff# types\r\nweb: python -m http.server $PORT\r\n\r\nworker: echo crlf $ORDER",
    "requirements.txt": "colorama==0.4.6\n",
    ".profile.d/20-b.sh": "export ORDER=$ORDER-b\n",
    ".profile.d/10-a.sh": "export ORDER=a; cd /tmp; false\n",
    ".profile.d/30-no.txt": "export ORDER=wrong\n",
    ".profile": "export ORDER=$ORDER-profile\n",
    "sub/a1": "",
    "sub/a2": "",
    "app.json": '{"predeploy": "echo $ORDER $PWD $PORT $GUNICORN_CMD_ARGS $(command -v python) >/etc/predeployed"}',
}


class ProcessTest(Case):
    def start(self, app):
        image = self.scratch / "image.tar"
        self.build(app, "-o", f"oci-archive:{image}")
        containerd = self.enter(Containerd(self.scratch / "containerd"))
        return containerd, containerd.import_image(image)

    def test_start_and_exec(self):
        containerd, image = self.start(self.make_app(APP))
        containerd.run(image, "web", 8091)
        containerd.page("web", 8091)

        def execute(*words, check=True):
            return containerd.exec("web", *words, check=check)

        def start(procfile, kind="t"):
            write = f"printf %s {shlex.quote(procfile)} >Procfile; exec /start {kind}"
            return execute("bash", "-c", write, check=False)

        self.assertEqual(execute("/start", "worker").stdout, "crlf a-b-profile\n")
        for line, output in LINES:
            result = start(f"other: false\nt: {line}\n")
            self.assertEqual((line, result.stdout, result.stderr), (line, output, ""))
        self.assertEqual(start("t: echo crlf\r\n").stdout, "crlf\n")
        self.assertEqual(start("t: echo first\nt: echo second\n").stdout, "first\n")
        self.assertEqual(start("tt: echo no\nt: exit 7").returncode, 7)
        missing = start("web: true\n")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("Proc entrypoint t does not exist. Please check your Procfile", missing.stderr)
        self.assertNotEqual(start("t: echo (unclosed\n").returncode, 0)

        environment = json.loads(execute("/exec", "python", "-c", "import json, os; print(json.dumps(dict(os.environ)))").stdout)
        self.assertEqual({name: environment.get(name) for name in DEFAULTS}, DEFAULTS)
        self.assertEqual(environment["PORT"], "8091")
        self.assertEqual(environment["ORDER"], "a-b-profile")
        self.assertEqual(environment["PATH"].split(":")[0], "/app/.heroku/python/bin")
        self.assertNotIn("WEB_CONCURRENCY", environment)
        self.assertEqual(execute("/exec", "echo", "two  blanks", "*").stdout, "two  blanks *\n")
        self.assertEqual(execute("/exec", check=False).returncode, 2)
        # predeploy found the same environment; its port is the image's.
        self.assertEqual(
            execute("cat", "/etc/predeployed").stdout,
            "a-b-profile /app 5000 --access-logfile - /app/.heroku/python/bin/python\n",
        )

    def test_missing_type_of_a_container(self):
        containerd, image = self.start(self.make_app(APP))
        containerd.run(image, "none", 8092, "/start", "nope")
        for _ in range(100):
            if "does not exist" in containerd.log("none"):
                break
            time.sleep(0.1)
        self.assertIn("Proc entrypoint nope does not exist. Please check your Procfile", containerd.log("none"))

    def test_refused_procfiles(self):
        lines = {
            "web: true\nweb: false\n": "Procfile:2: ",
            "web : true\n": "Procfile:1: ",
            "worker:\n": "Procfile:1: ",
            "<<<<<<< HEAD\nweb: true\n": "Procfile:1: ",
            "x" * 64 + ": true\n": "Procfile:1: ",
            "# nothing\n": "Procfile",
        }
        for number, (procfile, place) in enumerate(lines.items()):
            app = self.make_app({**APP, "Procfile": procfile}, to=f"app{number}")
            result = self.dash("plan", app, check=False)
            self.assertEqual(result.returncode, 3, procfile)
            self.assertIn(f"error: {place}", result.stderr)

    def test_reports(self):
        """web, worker and scheduler of one image, each in a container, with a directory that they share."""
        containerd, image = self.start(self.copy_app("reports"))
        data = self.scratch / "data"
        (data / "done").mkdir(parents=True)
        run("chown", "-R", "32767:32767", data)
        shared = {"environment": {"REPORTS_DATA": "/data"}, "mounts": {data: "/data"}}
        containerd.run(image, "web", 8093, **shared)
        containerd.run(image, "worker", 8093, "/start", "worker", **shared)
        containerd.run(image, "scheduler", 8093, "/start", "scheduler", **shared)
        self.assertIn("<title>Reports</title>", containerd.page("web", 8093))
        for _ in range(300):
            made = list((data / "done").glob("*.zip"))
            if made:
                break
            time.sleep(0.1)
        self.assertEqual(len(made), 1, containerd.log("worker") + containerd.log("scheduler"))
        self.assertIn("ordered report-", containerd.log("scheduler"))
        self.assertEqual({containerd.user_of(name) for name in ("web", "worker", "scheduler")}, {(32767, 32767)})
        # The image itself: predeploy's directory, no notes for developers.
        files = containerd.exec("web", "/exec", "ls", "/app", "/app/data").stdout.split()
        self.assertIn("done", files)
        self.assertIn("CHECKS", files)
        self.assertNotIn("README.md", files)
        self.assertNotIn("docs", files)
        style = containerd.page("web", 8093, "/assets/style.css")
        self.assertIn("font-family", style)


if __name__ == "__main__":
    unittest.main(verbosity=2)
