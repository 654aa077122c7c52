"""What staff can do, as operations: the staff API answers with them, and the console's pages call nothing else."""
