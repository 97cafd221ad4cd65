"""The `hsegap` command, one file each: options, help and what is done.

The rooms are imported inside the functions, so that help is instant.
"""
