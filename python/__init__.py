"""The Python interface: objects of other libraries go in, answers that show themselves come out.

`hsegap.predict` and `hsegap.load` lead here.
"""
