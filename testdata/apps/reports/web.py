"""The page that lists the reports."""

from dash import Dash, Input, Output, dcc, html

from reports.files import DONE


def create_server():
    """The WSGI application, made by gunicorn in each of its workers."""
    app = Dash(__name__, title="Reports")
    app.layout = html.Div(
        [html.H1("Reports"), html.Ul(id="list"), dcc.Interval(id="tick", interval=5000)],
    )

    @app.callback(Output("list", "children"), Input("tick", "n_intervals"))
    def show(_):
        return [html.Li(file.name) for file in sorted(DONE.glob("*.zip"), reverse=True)]

    return app.server
