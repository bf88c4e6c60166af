"""What figures draw, for tests."""

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def assert_texts_inside(figure: Figure, name: str) -> None:
    """No text of the figure is cut off by its edge."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = figure.bbox.width, figure.bbox.height
    beyond = {
        label
        for axes in figure.findobj(mpl.axes.Axes)
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }  # ticks that are not drawn
    for text in figure.findobj(mpl.text.Text):
        if text.get_visible() and text.get_text().strip() and text not in beyond:
            extent = text.get_window_extent(canvas.get_renderer())
            inside = extent.x0 >= -3 and extent.x1 <= width + 3 and extent.y0 >= -3 and extent.y1 <= height + 3
            assert inside, f"{name}: {text.get_text()!r} is cut off"
