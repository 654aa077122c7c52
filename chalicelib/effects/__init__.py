"""Perform: mail, alarms, notices and messages to other journeys. The only package that acts on the outside."""
