#!/bin/bash
# Settings and stock list of the app, at places where system software has them. May run again at any time.
set -euo pipefail

# Another place than / only when the script is tried outside of an image.
root="${INVENTORY_ROOT:-}"
mkdir -p "$root/etc" "$root/opt/inventory"

cat > "$root/etc/inventory.ini" <<'INI'
[inventory]
warehouse = Montreal
stock = /opt/inventory/stock.csv
INI

python3 - "$root/opt/inventory/stock.csv" <<'PYTHON'
import sys

import psycopg2

with open(sys.argv[1], "w") as out:
    print("item,quantity", file=out)
    for number, item in enumerate(["bolts", "nuts", "screws", "washers"], start=1):
        print(f"{item},{number * 120}", file=out)
print("stock list written with libpq", psycopg2.__libpq_version__)
PYTHON
