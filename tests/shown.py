"""What a film and a piece of HTML show: pictures and words, as a reader gets them."""

import base64
import io
from html.parser import HTMLParser
from unittest import mock

import numpy as np
from PIL import Image


class Shown:
    """``images`` are (words, pixels), ``captions`` the texts below them, cell by cell."""

    def __init__(self, film):
        page, pixels = sent(film)
        views = [view for cell in page["cells"] for view in cell]
        decoded = [np.asarray(Image.open(io.BytesIO(data))) for data in pixels]
        self.at, self.cells = page["at"], [len(cell) for cell in page["cells"]]
        self.images = [(view["alt"], p) for view, p in zip(views, decoded, strict=True)]
        self.captions = [view["caption"] for view in views]
        for view, pixels in zip(views, decoded, strict=True):
            assert pixels.shape == (view["height"], view["width"], 3)

    def __contains__(self, text):
        return any(text in words for words in [*self.captions, *(alt for alt, _ in self.images)])


def sent(film):
    """The words and the pictures that the browser has of the present frame."""
    if not film.private:
        return film.page, film.pixels
    assert (sorted(film.page), film.pixels) == (["at", "key"], []), "they are in no trait"
    answers = []
    with mock.patch.object(film, "send", lambda page, buffers: answers.append((page, buffers))):
        film._handle_custom_msg({"frame": film.page["at"], "key": film.page["key"]}, [])
    return answers[0]


def state(film):
    """What makes two pages of a film look the same."""
    page, pixels = sent(film)
    return page["cells"], list(pixels)


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
