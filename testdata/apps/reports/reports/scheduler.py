"""Orders a report every minute."""

import datetime
import time

from reports.tasks import make_report

if __name__ == "__main__":
    while True:
        name = f"report-{datetime.datetime.now(datetime.timezone.utc):%Y%m%d-%H%M}"
        make_report(name)
        print("ordered", name, flush=True)
        time.sleep(60)
