"""Sales by region and month: a small Dash app over synthetic data."""

import pandas as pd
from dash import Dash, Input, Output, dash_table, dcc, html

REGIONS = ["North", "South", "East", "West"]


def make_sales() -> pd.DataFrame:
    """Two years of monthly figures that are the same on every start."""
    months = pd.date_range("2023-01-01", periods=24, freq="MS")
    rows = [
        {"month": month, "region": region, "revenue": 1000 + 150 * i + (number * 37 + i * 101) % 400}
        for number, month in enumerate(months)
        for i, region in enumerate(REGIONS)
    ]
    return pd.DataFrame(rows)


SALES = make_sales()

app = Dash(__name__, title="Sales")
server = app.server

app.layout = html.Div(
    [
        html.H1("Sales"),
        dcc.Dropdown(["All", *REGIONS], "All", id="region", clearable=False),
        dcc.Graph(id="revenue"),
        dash_table.DataTable(id="totals"),
    ]
)


@app.callback(Output("revenue", "figure"), Output("totals", "data"), Input("region", "value"))
def show(region: str):
    """The chart and the yearly totals of one region, or of all."""
    chosen = SALES if region == "All" else SALES[SALES["region"] == region]
    by_month = chosen.groupby("month", as_index=False)["revenue"].sum()
    figure = {
        "data": [{"type": "bar", "x": by_month["month"].dt.strftime("%Y-%m").tolist(), "y": by_month["revenue"].tolist()}],
        "layout": {"title": {"text": f"Revenue by month: {region}"}},
    }
    totals = chosen.assign(year=chosen["month"].dt.year).groupby(["year", "region"], as_index=False)["revenue"].sum()
    return figure, totals.to_dict("records")


if __name__ == "__main__":
    app.run()
