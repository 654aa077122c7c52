"""Decode: everything that comes in becomes events here, or is refused with a reason that names the field."""
