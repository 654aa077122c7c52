"""The whole stack on one machine: emulated AWS, mailbox and clock."""
