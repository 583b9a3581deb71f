"""What all tests share: pytester, to run pytest on projects of its own."""

pytest_plugins = ["pytester"]
