"""What the `hsegap` commands do, one file each; `hsegap/cli.py` holds their names, options and help. Imported only when a command runs."""
