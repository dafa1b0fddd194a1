"""Images and apps that work against the build: nothing outside of the sandbox changes, and nothing false is recorded."""
import subprocess
import unittest

from support import PROGRAM, SHARED_STORE, Case, decisions

FILES = {"requirements.txt": "colorama==0.4.6\n", "Procfile": "web: python -m http.server\n", "data.txt": "V1\n"}


class HostileTest(Case):
    def base_with_link(self):
        """The default base image, where /run is a symbolic link."""
        self.build(self.make_app(FILES, "first"))  # makes the default base
        tree = self.scratch / "tree"
        (tree / "run2").mkdir(parents=True)
        (tree / "run").symlink_to("run2")
        layout = self.scratch / "base"
        self.dash("layer", tree, "--base", "dash-build/base:bookworm", "-o", f"oci:{layout}:x")
        return f"oci:{layout}:x"

    def test_replaced_link_reaches_nothing_outside(self):
        victim = self.scratch / "victim"
        (victim / "dash-build").mkdir(parents=True)
        (victim / "dash-build" / "file").write_text("precious")
        base = self.base_with_link()
        for end in ("true", "false"):
            script = f'{{"predeploy": "rm /run && ln -s {victim} /run && {end}"}}'
            app = self.make_app({**FILES, "app.json": script}, f"app-{end}")
            self.dash("build", app, "-t", self.tag, "--base", base, check=False)
            self.assertEqual((victim / "dash-build" / "file").read_text(), "precious")

    def test_image_with_equal_layers_as_base(self):
        """An image of our own as a base has the launcher's layer twice."""
        layout = self.scratch / "layout"
        self.build(self.make_app(FILES, "first"), "-o", f"oci:{layout}:x")
        app = self.make_app({**FILES, "app.json": '{"predeploy": "cat data.txt > /opt/seen"}'}, "second")
        self.assertEqual(decisions(self.build(app, "--base", f"oci:{layout}:x", "--no-cache"))["predeploy"], "build")

    def test_source_that_changes_meanwhile(self):
        app = self.make_app(FILES)
        self.build(app)
        process = subprocess.Popen(
            [PROGRAM, "build", app, "-t", self.tag, "--no-cache", "--progress", "plain", "--home", SHARED_STORE],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        for line in process.stderr:
            if "[python-packages] build" in line:
                break
        (app / "data.txt").write_text("V2\n")
        rest = process.communicate(timeout=120)[1]
        self.assertEqual(process.returncode, 3, rest)
        self.assertIn("files of the app changed while the step app read them", rest)
        second = self.build(app)
        (app / "data.txt").write_text("V1\n")
        first = self.build(app)
        self.assertNotEqual(first["image.digest"], second["image.digest"])
        self.assertEqual(self.build(app)["image.digest"], first["image.digest"])

    def test_store_is_closed_to_others(self):
        self.build(self.make_app(FILES))
        for part in ("snapshots", "work", "caches"):
            self.assertEqual((SHARED_STORE / part).stat().st_mode & 0o777, 0o700)


if __name__ == "__main__":
    unittest.main(verbosity=2)
