"""Values in sentences, as the user wrote them."""


def show(value: object) -> str:
    """Return a value as a user writes it in TOML, shortened to fit a sentence.

    >>> show(True), show("20"), show([1, 2])
    ('true', "'20'", '[1, 2]')
    """
    match value:
        case bool():
            return str(value).lower()
        case list() | tuple():
            text = f"[{', '.join(show(item) for item in value[:6])}{', …' * (len(value) > 6)}]"
        case dict():
            text = "{" + ", ".join(f"{key} = {show(item)}" for key, item in value.items()) + "}"
        case str() | float() | int():
            text = repr(value)
        case _:
            text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…{text[-1]}"
