"""Bad input: each message says what, where, why and what to do next, with its documented exit code."""
import os
import unittest

from support import PROGRAM, SHARED_STORE, Case, run

REQUIREMENTS = "dash==2.18.2\ngunicorn==23.0.0\n"
PROCFILE = "web: gunicorn app:server\n"
APP = "server = None\n"


class ErrorTest(Case):
    def fail_build(self, files, code, *parts, words=()):
        """Builds an app that cannot be built; returns the message after checking code and parts of it, in order."""
        app = self.make_app({"app.py": APP, **files})
        result = self.dash("build", app, "-t", self.tag, "--progress", "plain", *words, check=False)
        return self.assert_failed(result, code, *parts)

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

    def test_symbolic_link_out_of_the_app(self):
        app = self.make_app({"requirements.txt": "colorama==0.4.6\n", "Procfile": PROCFILE, "app.py": APP})
        (app / "data").symlink_to("/etc")
        result = self.dash("build", app, "-t", self.tag, "--progress", "plain", check=False)
        self.assertEqual(result.returncode, 3)
        self.assertIn("error: the symbolic link 'data' leads out of the app: its target is '/etc'\n", result.stderr)
        (app / "data").unlink()
        run("python3", "-m", "venv", "--without-pip", app / "venv")
        result = self.dash("build", app, "-t", self.tag, "--progress", "plain", check=False)
        self.assertEqual(result.returncode, 3)
        self.assertIn("error: the symbolic link 'venv/bin/python", result.stderr)
        self.assertIn(
            'hint: venv/ is a virtual environment, which the image does not need: add the line "venv/" to .slugignore\n',
            result.stderr,
        )
        (app / ".slugignore").write_text("venv/\n")
        self.build(app)

    def test_unreadable_file(self):
        """Root reads everything, so what cannot be read is what has another kind."""
        app = self.make_app({"requirements.txt": "colorama==0.4.6\n", "Procfile": PROCFILE, "app.py": APP})
        os.mkfifo(app / "pipe")
        result = self.dash("build", app, "-t", self.tag, "--progress", "plain", check=False, timeout=60)
        self.assertEqual(result.returncode, 3)
        self.assertIn("'pipe' is a named pipe, but the image can only hold files", result.stderr)

    def test_empty_app(self):
        (self.scratch / "empty").mkdir()
        result = self.dash("build", self.scratch / "empty", check=False)
        self.assertEqual(
            (result.returncode, result.stderr),
            (3, f"error: the app directory {self.scratch}/empty is empty\nhint: give the directory that holds the app's source\n"),
        )

    def test_names_that_are_not_read(self):
        files = {"requirements.txt": "colorama==0.4.6\n", "Procfile": "worker: python app.py\n", "Aptfile": "libpq5\n"}
        log = self.build(self.make_app({"app.py": APP, **files}))["log"]
        self.assertIn("warning: Aptfile is not read; rename it to apt-packages\n", log)
        self.assertIn("warning: Procfile has no process type 'web'", log)

    def test_hook_that_is_a_directory(self):
        files = {"requirements.txt": "colorama==0.4.6\n", "Procfile": PROCFILE, "bin/pre_compile/x": ""}
        self.fail_build(files, 3, "bin/pre_compile is a directory, not a program", "hint: ")

    def test_places_that_cannot_be_written(self):
        app = self.make_app({"requirements.txt": "colorama==0.4.6\n", "Procfile": PROCFILE, "app.py": APP})
        for outputs, code, message in [
            ([f"docker-archive:{app}"], 2, "is a directory"),
            ([f"oci:{app}/app.py"], 2, "is no directory"),
            ([f"oci-archive:{app}/no/x.tar"], 9, "is in a directory that does not exist"),
            ([f"oci-archive:{app}/x.tar", f"docker-archive:{app}/x.tar"], 2, "is the place of another output too"),
        ]:
            words = [word for output in outputs for word in ("-o", output)]
            result = self.dash("build", app, "-t", self.tag, "--progress", "plain", *words, check=False)
            self.assertEqual((result.returncode, message in result.stderr), (code, True), result.stderr)
            self.assertNotIn("[base]", result.stderr)  # nothing was built before
        result = self.dash("build", app, "-t", self.tag, "--base", f"docker-archive:{app}", check=False)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("hint: name a file; this is a directory", result.stderr)

    def test_no_namespaces(self):
        """With the base image in the store, and on the way to it."""
        app = self.make_app({"requirements.txt": "colorama==0.4.6\n", "Procfile": PROCFILE, "app.py": APP})
        self.build(self.make_app({"requirements.txt": "colorama==0.4.6\n", "Procfile": PROCFILE}, "first"))
        for store, step, program in [(SHARED_STORE, "python-packages", "crun"), (self.scratch / "store", "base", "mmdebstrap")]:
            words = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", PROGRAM, "build", app, "-t", self.tag]
            result = run(*words, "--no-cache", "--progress", "quiet", check=False, env={"DASH_BUILD_HOME": str(store)})
            self.assertEqual(result.returncode, 10, result.stderr)
            self.assertEqual(
                result.stderr[result.stderr.index("error: ") :],
                f"error: this host does not let the build make namespaces and mounts: cannot start /usr/bin/{program} (clone): "
                f"Operation not permitted\n  in step {step}\n"
                "hint: run it as root with CAP_SYS_ADMIN (inside a container: a privileged one), and check "
                "/proc/sys/user/max_pid_namespaces and max_mnt_namespaces\n",
            )

    def test_wrong_options(self):
        self.assertEqual(self.dash("build", "--no-such-option", check=False).returncode, 2)
        self.assertEqual(self.dash("build", ".", "-t", "Bad Name", check=False).returncode, 2)
        self.assertEqual(self.dash("build", ".", "--compression", "lzma", check=False).returncode, 2)
        self.assertEqual(self.dash("build", "/no/such/app", check=False).returncode, 9)


if __name__ == "__main__":
    unittest.main(verbosity=2)
