"""``python -m hsegap`` is the command `hsegap`."""

from hsegap.cli import app

if __name__ == "__main__":
    app(prog_name="hsegap")
