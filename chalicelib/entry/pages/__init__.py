"""The pages of customers: answering, proposals, opting out. A GET changes nothing; only a press on the button does."""
