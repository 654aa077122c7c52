"""The console: pages over the operations of the staff API. `house` is what they all stand in."""
