"""Bad input: each message says what, where, why and what to do next, with its documented exit code."""
import unittest

from support import Case

REQUIREMENTS = "dash==2.18.2\ngunicorn==23.0.0\n"
PROCFILE = "web: gunicorn app:server\n"
APP = "server = None\n"


class ErrorTest(Case):
    def fail_build(self, files, code, *parts, words=()):
        """Builds an app that cannot be built; returns the message after checking code and parts of it, in order."""
        app = self.make_app({"app.py": APP, **files})
        result = self.dash("build", app, "-t", self.tag, "--progress", "plain", *words, check=False)
        self.assertEqual(result.returncode, code, result.stderr)
        message = result.stderr[result.stderr.index("error: ") :]
        at = 0
        for part in parts:
            self.assertIn(part, message[at:])
            at = message.index(part, at)
        self.assertEqual(self.dash("inspect", self.tag, check=False).returncode, 9)  # nothing was named
        return message

    def test_no_buildpack(self):
        self.fail_build({}, 3, "requirements.txt", "app.py", "hint: ")

    def test_unknown_package(self):
        files = {"Procfile": PROCFILE, "requirements.txt": "dash-build-no-such-package==1.0\n"}
        self.fail_build(files, 3, "dash-build-no-such-package", "hint: ")

    def test_bad_procfile_line(self):
        self.fail_build(
            {"requirements.txt": REQUIREMENTS, "Procfile": "web: gunicorn app:server\nworker celery\n"},
            3,
            "Procfile:2",
            "worker celery",
            "hint: ",
        )

    def test_failing_predeploy(self):
        self.fail_build(
            {
                "requirements.txt": "colorama==0.4.6\n",
                "Procfile": PROCFILE,
                "app.json": '{"predeploy": "echo the database is missing >&2; exit 7"}',
            },
            4,
            "predeploy",
            "7",
            "the database is missing",
            "hint: ",
        )

    def test_conda_style_pin(self):
        self.fail_build({"requirements.txt": "dash=2.18.2\n", "Procfile": PROCFILE}, 3, "requirements.txt:1", "==")

    def test_invalid_app_json(self):
        files = {"requirements.txt": REQUIREMENTS, "Procfile": PROCFILE, "app.json": '{\n  "predeploy": \n}\n'}
        self.fail_build(files, 3, "app.json:3:", "hint: ")

    def test_unknown_apt_package(self):
        files = {"requirements.txt": REQUIREMENTS, "Procfile": PROCFILE, "apt-packages": "libpq-dev\nlibqp-dve\n"}
        self.fail_build(files, 3, "libqp-dve", "hint: ")

    def test_missing_base(self):
        files = {"requirements.txt": REQUIREMENTS, "Procfile": PROCFILE}
        self.fail_build(files, 9, "no-such-layout", words=("--base", "oci:/no-such-layout"))

    def test_wrong_options(self):
        self.assertEqual(self.dash("build", "--no-such-option", check=False).returncode, 2)
        self.assertEqual(self.dash("build", ".", "-t", "Bad Name", check=False).returncode, 2)
        self.assertEqual(self.dash("build", ".", "--compression", "lzma", check=False).returncode, 2)
        self.assertEqual(self.dash("build", "/no/such/app", check=False).returncode, 9)


if __name__ == "__main__":
    unittest.main(verbosity=2)
