"""Layers by package: what a changed line of requirements.txt sends again, and what other apps share."""
import re
import time
import unittest

from package_index import PackageIndex, noisy_wheel
from support import Case, decisions, layers, pinned_uv

KIB = 1024


class LayersTest(Case):
    def setUp(self):
        super().setUp()
        # Names that the store does not know.
        run = f"r{time.time_ns():x}"
        self.heavy, self.frames, self.charts = (f"{run}_{name}" for name in ("heavy", "frames", "charts"))
        self.small = [f"{run}_s{i}" for i in range(20)]
        self.sizes = {self.heavy: 3000 * KIB, self.frames: 900 * KIB, self.charts: 400 * KIB}
        self.sizes |= {name: 20 * KIB for name in self.small}
        files = [noisy_wheel(name, version, size) for name, size in self.sizes.items() for version in ("1.0", "1.1")]
        self.index = self.enter(PackageIndex(*files, noisy_wheel("pip", "1.0", KIB)))

    def app(self, changes=None, without=(), to="app"):
        lines = [f"{name}=={(changes or {}).get(name, '1.0')}" for name in self.sizes if name not in without]
        return self.make_app({"requirements.txt": "\n".join(lines) + "\n", "Procfile": "web: python\n", "app.py": to}, to)

    def make(self, app, *words):
        start = time.monotonic()
        made = self.build(
            app, *words,
            env={"PIP_INDEX_URL": self.index.url, "PIP_FIND_LINKS": "", "UV_DEFAULT_INDEX": "", "PIP_EXTRA_INDEX_URL": "",
                 "DASH_BUILD_UV": pinned_uv()},
        )
        made["elapsed"] = time.monotonic() - start
        # Not what uv asked the index for: it reads metadata out of wheels.
        made["wheels"] = sorted(re.findall(r"^\[python-packages\] (\S+\.whl) \S+ \S+$", made["log"], re.M))
        return made

    def sent(self, before, after):
        """Layers of `after` that `before` does not have."""
        known = {layer["digest"] for layer in before["layers"]}
        return [layer for layer in after["layers"] if layer["digest"] not in known and layer["step"] == "python-packages"]

    def test_one_changed_pin(self):
        first = self.make(self.app())
        self.assertEqual(len([name for name in first["wheels"] if not name.startswith("pip-")]), len(self.sizes))
        for name, size in ((self.heavy, self.sizes[self.heavy]), (self.small[3], self.sizes[self.small[3]])):
            with self.subTest(name):
                second = self.make(self.app({name: "1.1"}))
                self.assertEqual(second["wheels"], [f"{name}-1.1-py3-none-any.whl"])
                sent = self.sent(first, second)
                self.assertTrue(any(f"{name} 1.1" in layer["packages"] for layer in sent), sent)
                self.assertLessEqual(sum(layer["size"] for layer in sent), size + 256 * KIB)
                self.assertEqual(decisions(second)["python-packages"], "build")
                # Nothing that was there before has a part in the result.
                again = self.make(self.app({name: "1.1"}), "--no-cache")
                self.assertEqual(again["image.digest"], second["image.digest"])
                self.assertLess(second["elapsed"], 20)
                print(f"{name}: {len(sent)} layers, {sum(l['size'] for l in sent)} bytes, {second['elapsed']:.2f} s")

    def test_a_package_that_is_removed_is_gone(self):
        first = self.make(self.app())
        second = self.make(self.app(without=[self.frames, self.small[7]]))
        self.assertEqual(second["wheels"], [])
        self.assertLessEqual(sum(layer["size"] for layer in self.sent(first, second)), 256 * KIB)
        packages = " ".join(layer.get("packages", "") for layer in second["layers"])
        self.assertIn(f"{self.charts} 1.0", packages)
        self.assertNotIn(self.frames, packages)
        self.assertNotIn(f"{self.small[7]} ", packages)

    def test_a_second_app_shares_the_layers(self):
        first = self.make(self.app())
        self.tag += "-other"
        second = self.make(self.app(to="other"))
        self.assertEqual(layers(second, "python-packages"), layers(first, "python-packages"))
        # With other requirements it still shares what is heavy.
        third = self.make(self.app({self.small[1]: "1.1"}, without=[self.charts], to="third"))
        self.assertEqual(third["wheels"], [f"{self.small[1]}-1.1-py3-none-any.whl"])
        self.assertLessEqual(sum(layer["size"] for layer in self.sent(first, third)), (20 + 256) * KIB)

    def test_the_number_of_layers_is_limited(self):
        many = self.make(self.app())
        few = self.make(self.app(), "--package-layers", "3")
        one = self.make(self.app(), "--package-layers", "1")
        self.assertGreater(len(layers(many, "python-packages")), 6)
        self.assertEqual((len(layers(few, "python-packages")), len(layers(one, "python-packages"))), (4, 2))


if __name__ == "__main__":
    unittest.main(verbosity=2)
