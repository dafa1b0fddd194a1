"""What the worker does: one report, packed with zip."""

import datetime
import pathlib
import subprocess
import tempfile

from huey import SqliteHuey

from reports.files import DONE, QUEUE

huey = SqliteHuey(filename=str(QUEUE))


@huey.task()
def make_report(name: str) -> str:
    """Writes NAME.zip to the reports."""
    with tempfile.TemporaryDirectory() as directory:
        page = pathlib.Path(directory) / f"{name}.txt"
        page.write_text(f"{name}, made {datetime.datetime.now(datetime.timezone.utc):%F %T} UTC\n")
        packed = page.with_suffix(".zip")
        subprocess.run(["zip", "-q", "-j", packed, page], check=True)
        (DONE / packed.name).write_bytes(packed.read_bytes())
    return name
