"""What a film and a piece of HTML show: pictures and words, as a reader gets them."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
from PIL import Image


class Shown:
    """``images`` are (words, pixels), ``captions`` the texts below them, cell by cell."""

    def __init__(self, film):
        views = [view for cell in film.page["cells"] for view in cell]
        decoded = [np.asarray(Image.open(io.BytesIO(data))) for data in film.pixels]
        self.at, self.cells = film.page["at"], [len(cell) for cell in film.page["cells"]]
        self.images = [(view["alt"], p) for view, p in zip(views, decoded, strict=True)]
        self.captions = [view["caption"] for view in views]
        for view, pixels in zip(views, decoded, strict=True):
            assert pixels.shape == (view["height"], view["width"], 3)

    def __contains__(self, text):
        return any(text in words for words in [*self.captions, *(alt for alt, _ in self.images)])


def state(film):
    """What makes two pages of a film look the same."""
    return film.page["cells"], list(film.pixels)


class Page(HTMLParser):
    """What a piece of HTML shows: its pictures, their words, its text."""

    def __init__(self, html):
        super().__init__()
        self.images, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "img":
            assert attributes["src"].startswith("data:image/webp;base64,")
            data = base64.b64decode(attributes["src"].split(",")[1])
            self.images.append((attributes["alt"], np.asarray(Image.open(io.BytesIO(data)))))

    def handle_data(self, data):
        self.text += data
