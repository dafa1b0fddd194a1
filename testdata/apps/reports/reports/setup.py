"""predeploy: the directories that the processes expect."""

from reports.files import DONE

DONE.mkdir(parents=True, exist_ok=True)
print("reports go to", DONE)
