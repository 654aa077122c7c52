"""The cadence, playbook, settings and staff directory that ship with Aftercare."""
