"""Ink that can be read on a colour."""


def luminance(colour: str) -> float:
    """Give the relative luminance of `#rrggbb`: 0 black, 1 white.

    Reference:
        W3C, "Web Content Accessibility Guidelines 2.1", relative luminance.

    >>> luminance("#000000"), round(luminance("#ffffff"), 3)
    (0.0, 1.0)
    """
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio of two colours, from 1 to 21; text needs 4.5.

    Reference:
        W3C, "Web Content Accessibility Guidelines 2.1", contrast ratio.
    """
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink_on(colour: str) -> str:
    """Give the ink that stands out more from a colour: black from a relative luminance of .18 on.

    One that is faint, laid on white, is only lighter.
    """
    return "black" if luminance(colour) > 0.179 else "white"


def mix(colour: str, paper: str, strength: float) -> str:
    """Lay a colour on another one: all of it at strength 1, none at 0.

    >>> mix("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = ((int(colour[start : start + 2], 16), int(paper[start : start + 2], 16)) for start in (1, 3, 5))
    return "#" + "".join(f"{round(strength * over + (1 - strength) * under):02x}" for over, under in pairs)
