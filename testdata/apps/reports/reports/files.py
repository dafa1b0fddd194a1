"""Where queue and reports are: REPORTS_DATA, which .profile sets."""

import os
import pathlib

DATA = pathlib.Path(os.environ["REPORTS_DATA"])
QUEUE = DATA / "queue.db"
DONE = DATA / "done"
