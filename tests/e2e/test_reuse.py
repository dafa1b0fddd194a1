"""What a second build does: nothing, or just what its changed file asks for, and it says so."""
import os
import shutil
import time
import unittest

from support import Case, decisions, layers

UNCHANGED = "nothing it depends on changed"


class ReuseTest(Case):
    def test_unchanged_runs_nothing(self):
        app = self.copy_app("inventory")
        first = self.build(app)
        for file in app.rglob("*"):
            os.utime(file, (time.time(), time.time()))
        # A host without any runtime, bootstrapper or pip: whatever would run a command fails.
        empty = self.scratch / "empty"
        empty.mkdir()
        second = self.build(app, env={"PATH": str(empty)})
        self.assertEqual(set(decisions(second).values()), {"reuse"})
        for step in second["steps"]:
            self.assertEqual((step["reason"], step["seconds"]), (UNCHANGED, 0), step["name"])
            self.assertIn(f"[{step['name']}] reuse: {UNCHANGED}", second["log"])
        self.assertEqual(second["image.digest"], first["image.digest"])
        plan = self.dash("plan", app, "-t", self.tag, env={"PATH": str(empty)}).stdout
        self.assertEqual(len([line for line in plan.splitlines() if " reuse " in line]), 6, plan)

    def test_changed_requirement_leaves_apt_alone(self):
        app = self.copy_app("inventory")
        first = self.build(app)
        with open(app / "requirements.txt", "a") as file:
            file.write("itsdangerous\ncolorama==0.4.6\n")
        plan = self.dash("plan", app, "-t", self.tag).stdout
        self.assertRegex(plan, r"python-packages +build +requirements.txt changed")
        second = self.build(app)
        made = decisions(second)
        self.assertEqual(made["base"], "reuse")
        self.assertEqual(made["system-packages"], "reuse")
        self.assertEqual(made["python-packages"], "build")
        self.assertEqual(layers(second, "system-packages"), layers(first, "system-packages"))
        self.assertNotEqual(layers(second, "python-packages"), layers(first, "python-packages"))

    def test_changed_source_makes_one_layer(self):
        app = self.copy_app("sales")
        first = self.build(app)
        with open(app / "app.py", "a") as file:
            file.write(f"# {time.time_ns()}\n")
        second = self.build(app)
        self.assertEqual([name for name, decision in decisions(second).items() if decision == "build"], ["app"])
        self.assertEqual(layers(second, "python-packages"), layers(first, "python-packages"))
        # And back again: the first image's layer is known.
        shutil.rmtree(app)
        third = self.build(self.copy_app("sales"))
        self.assertEqual(third["image.digest"], first["image.digest"])
        self.assertNotIn("build", decisions(third).values())

    def test_offline_after_online(self):
        app = self.copy_app("sales")
        self.build(app)
        with open(app / "app.py", "a") as file:
            file.write(f"# {time.time_ns()}\n")
        self.assertEqual(decisions(self.build(app, "--offline"))["app"], "build")


if __name__ == "__main__":
    unittest.main(verbosity=2)
