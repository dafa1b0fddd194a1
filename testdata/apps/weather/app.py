"""The year's temperatures of one place: a small Dash app with conda packages."""

import math

import pyfiglet
from dash import Dash, Input, Output, dcc, html

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
PLACES = {"Bergen": (8, 6), "Quito": (14, 1), "Yakutsk": (-9, 28)}

app = Dash(__name__, title="Weather")
server = app.server
app.layout = html.Div(
    [
        html.Pre(pyfiglet.figlet_format("Weather")),
        dcc.Dropdown(sorted(PLACES), "Bergen", id="place", clearable=False),
        dcc.Graph(id="year"),
    ]
)


def temperatures(place: str) -> list[float]:
    """Made up, but the same on every start."""
    mean, swing = PLACES[place]
    return [round(mean - swing * math.cos(2 * math.pi * month / 12), 1) for month in range(12)]


@app.callback(Output("year", "figure"), Input("place", "value"))
def show(place: str):
    return {"data": [{"type": "scatter", "x": MONTHS, "y": temperatures(place)}], "layout": {"title": {"text": place}}}


if __name__ == "__main__":
    app.run()
