"""A page as a tree of elements, read as strictly as a page that no browser need guess at."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = frozenset({"meta", "wbr"})


@dataclass(slots=True)
class Element:
    """An element with its attributes, and what is in it."""

    tag: str
    attributes: dict[str, str]
    inside: list["Element | str"] = field(default_factory=list)

    def every(self, tag: str = "", cls: str = "") -> Iterator["Element"]:
        """Yield the elements below this one of a tag and a class."""
        for each in self.inside:
            if isinstance(each, Element):
                if (not tag or each.tag == tag) and (not cls or cls in each.attributes.get("class", "").split()):
                    yield each
                yield from each.every(tag, cls)

    def one(self, tag: str = "", cls: str = "") -> "Element":
        """Give the first of them."""
        return next(self.every(tag, cls))

    @property
    def text(self) -> str:
        """What is written in it, in one line."""
        return " ".join("".join(self._pieces()).split())

    def _pieces(self) -> Iterator[str]:
        for each in self.inside:
            if isinstance(each, str):
                yield each
            else:
                yield from each._pieces()


class Reader(HTMLParser):
    """Builds the tree; every element must be closed where it should be."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"{tag} has an attribute twice"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take one that closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the last one, which must be of this tag."""
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        """Take a text."""
        self._open[-1].inside.append(data)

    def read(self, path: Path) -> Element:
        """Read a file whole."""
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self._open == [self.root]
        return self.root
