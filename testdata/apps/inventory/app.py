"""Stock of a warehouse: reads what predeploy wrote outside of /app, and shows the C library in use."""

import configparser
import csv
import os

import psycopg2
from dash import Dash, dash_table, html

ROOT = os.environ.get("INVENTORY_ROOT", "")


def load() -> tuple[str, list[dict[str, str]]]:
    """The warehouse's name and its stock."""
    settings = configparser.ConfigParser()
    if not settings.read(f"{ROOT}/etc/inventory.ini"):
        raise SystemExit(f"{ROOT}/etc/inventory.ini is missing: predeploy (setup.sh) did not run")
    section = settings["inventory"]
    with open(ROOT + section["stock"], newline="") as file:
        return section["warehouse"], list(csv.DictReader(file))


warehouse, stock = load()

app = Dash(__name__, title="Inventory")
server = app.server

app.layout = html.Div(
    [
        html.H1(f"Inventory of {warehouse}"),
        dash_table.DataTable(stock, id="stock"),
        html.P(f"psycopg2 {psycopg2.__version__}, libpq {psycopg2.__libpq_version__}", id="library"),
    ]
)
