"""The same app gives the same manifest digest, wherever and however it is built."""
import os
import shutil
import unittest

from support import SHARED_STORE, Case


class ReproducibleTest(Case):
    def test_other_circumstances(self):
        """Directory, umask, locale, time zone, threads, file order; everything but the base image is made again."""
        digests = set()
        circumstances = [
            (0o022, {"LC_ALL": "C", "TZ": "UTC"}, "1"),
            (0o077, {"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"}, "2"),
            (0o002, {"LC_ALL": "C.UTF-8", "TZ": "America/New_York"}, "8"),
        ]
        for number, (umask, env, threads) in enumerate(circumstances):
            app = self.scratch / f"place-{number}" / "app"
            names = sorted(os.listdir(self.copy_app("inventory", f"original-{number}")), reverse=number % 2 == 1)
            before = os.umask(umask)
            try:
                app.mkdir(parents=True)
                for name in names:
                    source = self.scratch / f"original-{number}" / name
                    shutil.copytree(source, app / name) if source.is_dir() else shutil.copyfile(source, app / name)
                metadata = self.build(app, "--no-cache", "--threads", threads, env=env)
            finally:
                os.umask(before)
            digests.add(metadata["image.digest"])
        self.assertEqual(len(digests), 1)

    def test_other_store(self):
        """An empty store on another path: the base image is bootstrapped again too."""
        app = self.copy_app("inventory")
        here = self.build(app)
        there = self.build(app, store=self.scratch / "other store")
        for ours, theirs in zip(here["layers"], there["layers"]):
            self.assertEqual(ours, theirs)
        self.assertEqual(here["image.digest"], there["image.digest"])
        self.assertNotEqual(SHARED_STORE, self.scratch / "other store")


if __name__ == "__main__":
    unittest.main(verbosity=2)
